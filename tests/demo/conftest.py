"""A client that drives an ASGI application without a socket, and a shop that does not dawdle."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.types import ASGIApp

from gateway.demo.shop import create_shop

ADMIN_TOKEN = "letmein-in-tests"
NOW = 1_800_000_000.0


class Client:
    """One browser: keeps cookies from request to request, follows nothing, raises nothing."""

    def __init__(self, app: ASGIApp, host: str = "shop.test") -> None:
        self.app = app
        self.base = f"http://{host}"
        self.cookies = httpx.Cookies()

    def ask(self, method: str, path: str, **options) -> httpx.Response:
        async def exchange() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=self.base, cookies=self.cookies) as client:
                response = await client.request(method, path, **options)
                self.cookies = client.cookies
                return response

        return asyncio.run(exchange())

    def get(self, path: str, **options) -> httpx.Response:
        return self.ask("GET", path, **options)

    def post(self, path: str, **options) -> httpx.Response:
        return self.ask("POST", path, **options)


@pytest.fixture
def shop() -> Client:
    return Client(create_shop(delay=0, admin_token=ADMIN_TOKEN, clock=lambda: NOW))


@pytest.fixture
def client_of():
    return Client
