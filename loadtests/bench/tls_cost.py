"""What TLS and HTTP/2 cost: CPU per request of a cached 10 KB page, CPU per handshake, memory of an idle connection; beside nginx that serves the same file.

    python loadtests/bench/tls_cost.py [--seconds 3] [--rounds 3] [--key ec|rsa]

    plain          HTTP/1.1, keep-alive
    tls            the same over TLS 1.3
    handshake      a connection for each request (`Connection: close`): less what the request itself costs, it is the handshake
    h2             HTTP/2, ten streams at once on each connection: nginx by itself, nginx in front of Weft, granian that runs Weft's application

Server on core 0, load from core 1. Rows take turns; the median of the rounds counts. Needs wrk, h2load, nginx, openssl; granian for its row (the extra http2).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent))

import bench

KEYS = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"], "rsa": ["rsa:2048"]}
IDLE = 500
NGINX = """
user root; worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log {folder}/access.log; keepalive_requests 100000000; default_type text/html;
    ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem; ssl_session_tickets off;
    upstream weft {{ server 127.0.0.1:{weft}; keepalive 64; }}
    server {{ listen 127.0.0.1:{plain}; listen 127.0.0.1:{tls} ssl http2; root {folder}/files; }}
    server {{ listen 127.0.0.1:{front} ssl http2;
              location / {{ proxy_pass http://weft; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host; }} }}
}}
"""


def main() -> None:
    """Measure, in turns, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--key", choices=KEYS, default="ec")
    options = parser.parse_args()
    for tool in ("wrk", "h2load", "nginx", "openssl", "taskset"):
        if shutil.which(tool) is None:
            raise SystemExit(f"needs {tool}")
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        certify(folder, options.key)
        rows = start(folder, stack)
        figures: dict[str, list[float]] = {}
        for _ in range(options.rounds):
            for row, (pids, command) in rows.items():
                figures.setdefault(row, []).append(measure(pids, command(options.seconds)))
        for row, costs in figures.items():
            print(f"{row:28} {median(costs):8.1f} us of CPU each")
        for row in ("nginx", "weft"):
            each = median(figures[f"{row} handshake"]) - median(figures[f"{row} tls"])
            print(f"{row} handshake alone ({options.key}): {each:.0f} us")
        print(f"idle TLS connection of weft: {idle(rows['weft tls'][0][0], int(os.environ['BENCH_TLS_PORT'])):.1f} KiB")


def certify(folder: Path, key: str) -> None:
    """A certificate for nobody, and the file that nginx serves."""
    command = ["openssl", "req", "-x509", "-newkey", *KEYS[key], "-nodes", "-days", "2", "-subj", "/CN=bench"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True)
    (folder / "files/html").mkdir(parents=True)
    (folder / "files/html/10240").write_bytes(b"x" * 10_240)


def start(folder: Path, stack: contextlib.ExitStack) -> dict[str, tuple[list[int], Command]]:
    """Everything that is measured, by row: pids whose CPU counts, and what puts load on them."""
    ports = {name: bench.free_port() for name in ("origin", "plain", "tls", "front", "weft", "weft_tls", "granian")}
    os.environ["BENCH_TLS_PORT"] = str(ports["weft_tls"])
    stack.enter_context(bench.origin(ports["origin"], core=1))
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, **ports))
    nginx = stack.enter_context(bench.running([shutil.which("nginx") or "nginx", "-c", str(config)], ports["plain"], core=0))
    log = str(folder / "weft.log")
    plain = stack.enter_context(bench.weft(ports["weft"], ports["origin"], core=0, log=log))
    secure = [f"server.tls.certificates={folder}/cert.pem", f"server.tls.keys={folder}/key.pem"]
    tls = stack.enter_context(bench.weft(ports["weft_tls"], ports["origin"], *secure, core=0, log=log))
    page = "/html/10240?max-age=3600"
    rows: dict[str, tuple[list[int], Command]] = {
        "nginx plain": ([nginx.pid], wrk("http", ports["plain"], page)),
        "weft plain": ([plain.pid], wrk("http", ports["weft"], page)),
        "nginx tls": ([nginx.pid], wrk("https", ports["tls"], page)),
        "weft tls": ([tls.pid], wrk("https", ports["weft_tls"], page)),
        "nginx handshake": ([nginx.pid], wrk("https", ports["tls"], page, "-H", "Connection: close")),
        "weft handshake": ([tls.pid], wrk("https", ports["weft_tls"], page, "-H", "Connection: close")),
        "nginx h2": ([nginx.pid], h2load(ports["tls"], page)),
        "nginx h2 in front of weft": ([nginx.pid, plain.pid], h2load(ports["front"], page)),
    }
    if importlib.util.find_spec("granian") is not None:
        os.environ |= {"WEFT_UPSTREAM__URL": f"http://127.0.0.1:{ports['origin']}"}
        command = [
            sys.executable,
            "-m",
            "granian",
            "--interface",
            "asgi",
            "--factory",
            "gateway.asgi:create_app",
            "--loop",
            "uvloop",
        ]
        command += ["--http", "auto", "--port", str(ports["granian"]), "--no-ws", "--workers", "1"]
        command += ["--ssl-certificate", f"{folder}/cert.pem", "--ssl-keyfile", f"{folder}/key.pem"]
        granian = stack.enter_context(bench.running(command, ports["granian"], core=0, log=log))
        rows["granian h2"] = ([granian.pid], h2load(ports["granian"], page))
        rows["granian tls"] = ([granian.pid], wrk("https", ports["granian"], page))
    return rows


class Command:
    """Puts load on a port for some seconds; how many requests were answered."""

    def __init__(self, words: list[str], seconds: str, count: str) -> None:
        self.words, self.seconds, self.count = words, seconds, re.compile(count)

    def __call__(self, seconds: int) -> Iterator[int]:
        """Once to warm up, once to be counted."""
        for length in (1, seconds):
            words = [*self.words[:-1], self.seconds.format(length), self.words[-1]]
            out = subprocess.run(["taskset", "-c", "1", *words], check=True, capture_output=True, text=True).stdout
            found = self.count.search(out)
            if found is None:
                raise SystemExit(f"{words[0]} says nothing that is understood:\n{out}")
            yield int(found[1])


def wrk(scheme: str, port: int, page: str, *more: str) -> Command:
    """64 connections over HTTP/1.1."""
    return Command(["wrk", "-t1", "-c64", *more, f"{scheme}://127.0.0.1:{port}{page}"], "-d{}", r"(\d+) requests in")


def h2load(port: int, page: str) -> Command:
    """16 connections of ten streams."""
    return Command(["h2load", "-t1", "-c16", "-m10", f"https://127.0.0.1:{port}{page}"], "-D{}", r"(\d+) succeeded")


def measure(pids: list[int], run: Iterator[int]) -> float:
    """Microseconds of CPU for each request."""
    next(run)
    before = sum(map(bench.cpu_seconds, pids))
    count = next(run)
    return (sum(map(bench.cpu_seconds, pids)) - before) / count * 1e6


def idle(pid: int, port: int) -> float:
    """KiB that a connection costs after its handshake and one request."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    before = bench.rss_bytes(pid)
    with contextlib.ExitStack() as stack:
        for _ in range(IDLE):
            raw = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            client = stack.enter_context(context.wrap_socket(raw, server_hostname="bench"))
            client.sendall(b"GET /_weft/health/live HTTP/1.1\r\nHost: bench\r\n\r\n")
            client.recv(4096)
        return (bench.rss_bytes(pid) - before) / IDLE / 1024


if __name__ == "__main__":
    main()
