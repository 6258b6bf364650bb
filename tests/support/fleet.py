"""A fleet: a real Redis, an origin that counts, and gateways that share the one in front of the other."""

from __future__ import annotations

import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.gateway_process import GatewayProcess
from tests.support.redis_server import RedisServer
from tests.support.relay import Relay

__all__ = ["TOKEN", "Fleet", "Origin", "figure", "get", "keys_of", "post", "purge", "status_of", "until"]

TOKEN = "purge-token-0123456789"
PATIENT = {"redis.timeout": 2.0, "redis.connect_timeout": 2.0}
"""A machine that runs tests is too busy for tens of milliseconds; tests of those say their own."""


class Origin:
    """Pages by path: (header fields, content). What isn't set is a page that says how often it was asked for. delay: seconds before each answer."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[dict[str, str], bytes]] = {}
        self.asked: Counter[str] = Counter()
        self.conditional: Counter[str] = Counter()
        self.delay = 0.0
        self.status = 200
        origin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                origin.asked[self.path] += 1
                if self.headers["if-none-match"]:
                    origin.conditional[self.path] += 1
                time.sleep(origin.delay)
                default = (
                    {"cache-control": "max-age=300"},
                    b"%s, asked %d times" % (self.path.encode(), origin.asked[self.path]),
                )
                fields, content = origin.pages.get(self.path, default)
                unchanged = "etag" in fields and self.headers["if-none-match"] == fields["etag"]
                self.send_response(304 if unchanged else origin.status)
                for name, value in fields.items():
                    self.send_header(name, value)
                if not unchanged:
                    self.send_header("content-length", str(len(content)))
                self.end_headers()
                if not unchanged:
                    self.wfile.write(content)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"] or 0))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                """Nothing on the test's output."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Fleet:
    """Gateways of one site. wire: by which one of them reaches Redis, where a test has put one there."""

    def __init__(self, origin: Origin, redis: RedisServer, count: int, **settings: object) -> None:
        self.origin = origin
        self.redis = redis
        self.gateways: list[GatewayProcess] = []
        self.settings = settings
        self.wire: Relay | None = None
        try:
            for _ in range(count):
                self.add()
        except BaseException:
            self.close()
            raise

    def add(self, **settings: object) -> GatewayProcess:
        """One more."""
        given = {
            "redis.url": f"redis://127.0.0.1:{self.redis.port}",
            "purge.tokens": [TOKEN],
            **PATIENT,
            **self.settings,
            **settings,
        }
        gateway = GatewayProcess(self.origin.url, {name.replace("__", "."): value for name, value in given.items()})
        self.gateways.append(gateway)
        self.await_live(gateway)
        return gateway

    def await_live(self, *gateways: GatewayProcess) -> None:
        """Until each of them hears purges of the others."""
        for gateway in gateways or self.gateways:
            until(lambda gateway=gateway: figure(gateway, "weft_bus_live") == 1 and figure(gateway, "weft_redis_up") == 1)

    def close(self) -> None:
        for gateway in self.gateways:
            gateway.stop()


def until(holds, patience: float = 20.0) -> None:
    """Wait until holds() is true."""
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


def keys_of(fleet: Fleet, path: str) -> list[bytes]:
    """The keys in Redis under which something of path is stored: responses, and the signpost to them."""
    found = []
    for key in fleet.redis.command("KEYS", "weft:{*"):
        value = fleet.redis.command("GET", key)
        if value is not None and f'"{path}"'.encode() in value:
            found.append(key)
    return found


def get(gateway: GatewayProcess, path: str, **fields: str):
    """GET path; its response."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return gateway.ask(f"GET {path} HTTP/1.1\r\nHost: shop.test\r\n{lines}Connection: close\r\n\r\n".encode())


def post(gateway: GatewayProcess, path: str):
    return gateway.ask(f"POST {path} HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())


def purge(gateway: GatewayProcess, body: str):
    """POST /_weft/purge."""
    head = f"POST /_weft/purge HTTP/1.1\r\nHost: shop.test\r\nAuthorization: Bearer {TOKEN}\r\n"
    return gateway.ask(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())


def status_of(response) -> str:
    """Our member of Cache-Status."""
    return dict(response.fields)[b"cache-status"].decode()


def figure(gateway: GatewayProcess, name: str, **labels: str) -> float:
    """One figure of /_weft/metrics; -1 when it isn't there."""
    text = get(gateway, "/_weft/metrics").body.decode()
    told = "{" + ",".join(f'{label}="{value}"' for label, value in labels.items()) + "}" if labels else ""
    for line in text.splitlines():
        if line.startswith(f"{name}{told} "):
            return float(line.rsplit(" ", 1)[1])
    return -1
