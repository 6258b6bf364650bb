"""A compiled page, run without I/O.

pieces     what goes in and out: holes, fragments, output, the budget
stage      where it runs: sections, threads, trials
assembler  the machine: extend ─▶ needs ─▶ supply ─▶ drain
"""

from __future__ import annotations

from fragments.assembly.assembler import Assembler
from fragments.assembly.pieces import DEFAULT_BUDGET, Budget, Fragment, Hole, Output

__all__ = ["DEFAULT_BUDGET", "Assembler", "Budget", "Fragment", "Hole", "Output"]
