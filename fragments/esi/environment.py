"""The variables that ESI gives a page: what is known of the request. Pure; remembers what was read, since that decides who may share the result.

Names and keys: ESI 1.0 §4 (HTTP_ACCEPT_LANGUAGE, HTTP_COOKIE, HTTP_HOST, HTTP_REFERER, HTTP_USER_AGENT, QUERY_STRING), and of Akamai's
REQUEST_METHOD, REQUEST_PATH, REMOTE_ADDR and any other request field as HTTP_<NAME>. Credentials are no variables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from urllib.parse import parse_qsl

from fragments.esi.values import Tainted, Value

__all__ = ["SECRET", "Environment"]

SECRET = frozenset({"authorization", "proxy-authorization"})
"""Request fields that no page can read."""

_TOKEN = re.compile(r"[!#$%&'+.^_`|~0-9a-z-]{1,256}")  # RFC 9110 §5.1, less "*": the name goes into Vary
_VERSION = re.compile(r"(?:MSIE |Mozilla/|Version/)(\d+(?:\.\d+)*)")
_AGENT_READ = 1_024
"""Characters of User-Agent that are looked at."""
_SYSTEMS = (
    ("WIN", ("windows", "win32", "win64")),
    ("MAC", ("macintosh", "mac os", "iphone", "ipad")),
    ("UNIX", ("linux", "x11", "bsd", "unix", "android")),
)


class Environment:
    """One request, as a page sees it.

    target      path and query as the client sent them
    fields      the request's header section, names in lower case
    address     the client's, "" when it is not told
    cookies     names that may be read; None for all
    csrf_token  CSRF_TOKEN; "" when there is none
    now         epoch seconds;  random: 0 ≤ x < 1
    used        names of request fields that were read so far; "cookie" and "client" speak of the visitor
    """

    __slots__ = (
        "_agents",
        "_cookies",
        "_fields",
        "_languages",
        "_query",
        "address",
        "allowed_cookies",
        "csrf_token",
        "host",
        "method",
        "now",
        "path",
        "query",
        "random",
        "used",
    )

    def __init__(
        self,
        method: str,
        host: str,
        target: str,
        fields: Iterable[tuple[bytes, bytes]],
        *,
        now: float,
        random: Callable[[], float],
        address: str = "",
        cookies: Collection[str] | None = None,
        csrf_token: str = "",
    ) -> None:
        self.method = method
        self.host = host
        self.path, _, self.query = target.partition("?")
        self.address = address
        self.allowed_cookies = cookies
        self.csrf_token = csrf_token
        self.now = now
        self.random = random
        self.used: set[str] = set()
        self._fields = fields
        self._agents: dict[str, Value] | None = None
        self._cookies: dict[str, str] | None = None
        self._languages: frozenset[str] | None = None
        self._query: dict[str, str] | None = None

    def variable(self, name: str) -> Value:
        """A variable as a whole; None when the request does not have it."""
        match name:
            case "QUERY_STRING":
                return Tainted(self.query)
            case "HTTP_HOST":
                return Tainted(self.host)
            case "REQUEST_METHOD":
                return self.method
            case "REQUEST_PATH":
                return Tainted(self.path)
            case "CSRF_TOKEN" if self.csrf_token:
                self.used.update(("cookie", "csrf"))
                return self.csrf_token
            case "REMOTE_ADDR":
                self.used.add("client")
                return Tainted(self.address) if self.address else None
            case "HTTP_COOKIE":
                if self.allowed_cookies is None:
                    return self._field("cookie")
                return Tainted("; ".join(f"{key}={value}" for key, value in self.cookies().items()))
            case _ if name.startswith("HTTP_"):
                return self._field(name[5:].replace("_", "-").lower())
        return None

    def item(self, name: str, key: str) -> Value:
        """An item of a variable that has some; None when it has not this one. The random source and the like are none of its business."""
        match name:
            case "QUERY_STRING":
                if self._query is None:
                    self._query = {}
                    for found, value in parse_qsl(self.query, keep_blank_values=True, max_num_fields=None):
                        self._query.setdefault(found, value)
                return _from_request(self._query.get(key))
            case "HTTP_COOKIE":
                return _from_request(self.cookies().get(key))
            case "HTTP_ACCEPT_LANGUAGE":
                return key.lower() in self.languages()
            case "HTTP_USER_AGENT":
                return self._agent(key.lower())
            case "HTTP_HEADER":
                return self._field(key.lower())
        return None

    def cookies(self) -> dict[str, str]:
        """Those that may be read; of two with one name the first. RFC 6265 §5.4."""
        self.used.add("cookie")
        if self._cookies is None:
            self._cookies = {}
            for pair in (self._raw("cookie") or "").split(";"):
                name, equals, value = pair.partition("=")
                name = name.strip()
                if equals and (self.allowed_cookies is None or name in self.allowed_cookies):
                    self._cookies.setdefault(name, value.strip().removeprefix('"').removesuffix('"'))
        return self._cookies

    def languages(self) -> frozenset[str]:
        """Language tags that the visitor accepts, each with its primary subtag; those with q=0 left out. RFC 9110 §12.5.4."""
        self.used.add("accept-language")
        if self._languages is None:
            found: set[str] = set()
            for item in (self._raw("accept-language") or "").lower().split(","):
                tag, _, weight = item.partition(";")
                tag = tag.strip()
                if tag and not re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", weight):
                    found.update((tag, tag.partition("-")[0]))
            self._languages = frozenset(found)
        return self._languages

    def _agent(self, key: str) -> Value:
        """browser: MSIE, MOZILLA or OTHER; version; os: WIN, MAC, UNIX or OTHER. ESI 1.0 §4.1, whose browsers are those of 2001."""
        self.used.add("user-agent")
        if self._agents is None:
            text = (self._raw("user-agent") or "")[:_AGENT_READ]
            lower = text.lower()
            version = _VERSION.search(text)
            self._agents = {
                "browser": "MSIE" if "msie" in lower or "trident/" in lower else "MOZILLA" if "mozilla" in lower else "OTHER",
                "version": Tainted(version[1]) if version is not None else None,
                "os": next((name for name, words in _SYSTEMS if any(word in lower for word in words)), "OTHER"),
            }
        return self._agents.get(key)

    def _field(self, name: str) -> Value:
        if name in SECRET or _TOKEN.fullmatch(name) is None:
            return None
        self.used.add(name)
        if name == "cookie" and self.allowed_cookies is not None:
            return self.variable("HTTP_COOKIE")
        return _from_request(self._raw(name))

    def _raw(self, name: str) -> str | None:
        wanted = name.encode("latin-1", "replace")
        separator = b"; " if name == "cookie" else b", "
        found = [value for field, value in self._fields if field == wanted]
        return separator.join(found).decode("utf-8", "surrogateescape") if found else None


def _from_request(text: str | None) -> Value:
    return Tainted(text) if text is not None else None
