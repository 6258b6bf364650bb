"""`weft` as systemd starts it by a socket unit: python tests/processes/activated.py DESCRIPTOR serve …. That descriptor becomes number 3."""

from __future__ import annotations

import os
import sys

from gateway.__main__ import main

if __name__ == "__main__":
    os.dup2(int(sys.argv.pop(1)), 3)
    os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "weft.socket"}
    sys.exit(main())
