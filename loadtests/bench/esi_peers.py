"""A page with six cached fragments beside Varnish: requests per second of server CPU time, core 0, load from core 1 (wrk, 64 connections).

    page       the same for all, six includes of cached fragments; Varnish with do_esi
    gzip       the same page, both ends ask for and send gzip (Varnish: do_gzip when stored)
    cookie     one of its fragments says Vary: Cookie, and 64 visitors come in turn
    choose     one include is chosen by a cookie (Varnish has no choose): the general path of the assembler; written: a cookie's value in the text

Rows take turns, so that a busy neighbour meets all of them; medians count, and only their ratios hold on another machine. Every row's page is
looked at before it is measured. Needs wrk and varnishd. Exit code 1 when weft gives less than `--least` times Varnish's requests on page or gzip.

    python loadtests/bench/esi_peers.py [--rounds 5] [--seconds 3] [--rows weft weft-gzip]
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import zlib
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple
from urllib.request import Request, urlopen

import esi_origin
from bench import HERE, cpu_seconds, free_port, running, weft

VCL = """vcl 4.1;
backend default {{ .host = "127.0.0.1"; .port = "{upstream}"; }}
sub vcl_recv {{ if (req.method == "GET") {{ return (hash); }} }}
sub vcl_backend_response {{ if (beresp.http.surrogate-control ~ "ESI/1.0") {{ set beresp.do_esi = true; }} set beresp.do_gzip = {gzip}; }}
"""


class Row(NamedTuple):
    """Who is asked for what. visitors: 64 cookies in turn."""

    server: str
    path: str
    gzip: bool = False
    visitors: bool = False


ROWS = {
    "varnish": Row("varnish", "/page"),
    "weft": Row("weft", "/page"),
    "varnish-gzip": Row("varnish", "/page", gzip=True),
    "weft-gzip": Row("weft", "/page", gzip=True),
    "varnish-cookie": Row("varnish", "/cookie", visitors=True),
    "weft-cookie": Row("weft", "/cookie", visitors=True),
    "weft-cookie-gzip": Row("weft", "/cookie", gzip=True, visitors=True),
    "weft-choose": Row("weft", "/choose", visitors=True),
    "weft-choose-gzip": Row("weft", "/choose", gzip=True, visitors=True),
    "weft-written": Row("weft", "/written", visitors=True),
}
PAIRS = (("weft", "varnish"), ("weft-gzip", "varnish-gzip"), ("weft-cookie", "varnish-cookie"))


def serve(row: Row, port: int, upstream: int, folder: Path) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """The row's server, on core 0."""
    if row.server == "weft":
        return weft(port, upstream, f"log.file={folder}/access.log", core=0)
    config = folder / "esi.vcl"
    config.write_text(VCL.format(upstream=upstream, gzip=str(row.gzip).lower()))
    command = ["-F", "-a", f"127.0.0.1:{port}", "-f", str(config), "-n", str(folder / "varnish"), "-s", "malloc,256m"]
    return running([varnishd() or "", *command], port, core=0)


def varnishd() -> str | None:
    """Where it is: distributions put it where only root looks."""
    return shutil.which("varnishd") or shutil.which("varnishd", path="/usr/sbin")


def check(row: Row, port: int) -> None:
    """Look at the page for two visitors, so that no row measures the wrong thing. Raises SystemExit."""
    for visitor, letter in ((1, "b"), (2, "c")):
        fields = {"Accept-Encoding": "gzip"} if row.gzip else {}
        if row.visitors:
            fields["Cookie"] = f"v=visitor-{visitor}; set={letter}"
        with urlopen(Request(f"http://127.0.0.1:{port}{row.path}", headers=fields), timeout=10) as answer:
            body = answer.read()
            if (answer.headers["Content-Encoding"] == "gzip") != row.gzip:
                raise SystemExit(f"{row}: the coding is {answer.headers['Content-Encoding']}")
        page = zlib.decompress(body, wbits=31) if row.gzip else body
        if page.count(b"<div>") != esi_origin.HOLES or b"esi:" in page:
            raise SystemExit(f"{row}: not assembled")
        if row.path in ("/cookie", "/written") and b"visitor-%d" % visitor not in page:
            raise SystemExit(f"{row}: not the visitor's own page")


def load(row: Row, port: int, seconds: int) -> int:
    """How many requests wrk got answered."""
    asks = ["-s", str(HERE / "esi_cookies.lua")] if row.visitors else ["-H", "Accept-Encoding: gzip"] if row.gzip else []
    command = ["taskset", "-c", "1", "wrk", "-t1", "-c64", f"-d{seconds}", *asks, f"http://127.0.0.1:{port}{row.path}"]
    environment = {**os.environ, "ESI_GZIP": str(int(row.gzip))}
    told = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    if (failed := re.search(r"Non-2xx.*|Socket errors.*", told)) is not None:
        raise SystemExit(f"wrk: {failed[0]}")
    found = re.search(r"(\d+) requests in", told)
    assert found is not None
    return int(found[1])


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--least", type=float, default=8.0)
    parser.add_argument("--rows", nargs="*", choices=ROWS, default=list(ROWS))
    options = parser.parse_args()
    if varnishd() is None or shutil.which("wrk") is None or shutil.which("taskset") is None:
        raise SystemExit("esi_peers.py needs wrk, varnishd and taskset")
    rates: dict[str, list[float]] = {name: [] for name in options.rows}
    upstream = free_port()
    origin = running([sys.executable, str(HERE / "esi_origin.py"), str(upstream)], upstream, core=1)
    with tempfile.TemporaryDirectory() as folder, origin:
        Path(folder).chmod(0o755)  # varnishd reads its files as another user
        for _ in range(options.rounds):
            for name, found in rates.items():
                row, port = ROWS[name], free_port()
                with serve(row, port, upstream, Path(folder)) as server:
                    check(row, port)
                    load(row, port, 1)
                    before = cpu_seconds(server.pid)
                    answered = load(row, port, options.seconds)
                    found.append(answered / (cpu_seconds(server.pid) - before))
            print(*(f"{name} {found[-1]:.0f}" for name, found in rates.items()), "requests per CPU second", flush=True)
    middle = {name: statistics.median(found) for name, found in rates.items()}
    for name, rate in middle.items():
        print(f"{name:18} {rate:8.0f} requests per CPU second, {1e6 / rate:6.1f} us each")
    kept = True
    for ours, theirs in PAIRS:
        if ours in middle and theirs in middle:
            ratio = middle[ours] / middle[theirs]
            print(f"{ours} = {ratio:.2f} x {theirs}")
            kept = kept and (ratio >= options.least or ours == "weft-cookie")
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
