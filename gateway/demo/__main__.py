"""`python -m gateway.demo`: the shop alone, under uvicorn. An origin to put something in front of."""

from __future__ import annotations

import argparse
import secrets
import sys

import uvicorn

from gateway.demo.shop import create_shop

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m gateway.demo", description="A small shop to put a cache in front of.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--delay", type=float, default=0.08, metavar="SECONDS", help="how long each page takes (default 0.08)")
    parser.add_argument("--admin-token", default="", metavar="TOKEN", help="opens the editing endpoint; made up when left out")
    chosen = parser.parse_args(arguments)
    token = chosen.admin_token or secrets.token_urlsafe(12)
    address = f"http://{chosen.host}:{chosen.port}"
    lines = (
        f"The shop is at {address}/",
        f"To edit a product: curl -X POST {address}/admin/products/aino-desk-lamp -H 'Authorization: Bearer {token}' -d price=49",
    )
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    app = create_shop(delay=chosen.delay, admin_token=token)
    # Proxy headers are for those who trust somebody; the shop trusts nobody.
    uvicorn.run(app, host=chosen.host, port=chosen.port, log_level="warning", proxy_headers=False, server_header=False)


if __name__ == "__main__":
    main()
