"""The kinds of value that a setting can have: how each is read, which unit it carries, what it must look like.

A section names its leaves with `leaf(default, sentence, bounds…)`; the annotated types here do the reading. A reader that refuses a
value raises ValueError with the *wish* ("a network such as 10.0.0.0/8"): `faults.py` puts path, value and origin around it.
"""

from __future__ import annotations

import hmac
import ipaddress
import math
import re
from collections.abc import Callable
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

__all__ = [
    "Bytes",
    "CidrNetwork",
    "CookieName",
    "Count",
    "FieldName",
    "Glob",
    "HostHeader",
    "HostPattern",
    "HostPort",
    "Language",
    "LimitedBy",
    "ListenHost",
    "MediaType",
    "Method",
    "Name",
    "Network",
    "OriginUrl",
    "PathPrefix",
    "Pseudonym",
    "Ratio",
    "RedisUrl",
    "RequestPath",
    "Seconds",
    "Secret",
    "Section",
    "Switch",
    "leaf",
    "same_as",
]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Section(BaseModel):
    """A table of the settings. Unknown names are refused, nothing can be changed afterwards, defaults keep their own bounds."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True, arbitrary_types_allowed=True
    )


def leaf(default: Any, sentence: str, *, unit: str = "", **bounds: Any) -> Any:
    """One setting: its default, its sentence for the docs, its unit and bounds (`ge`, `gt`, `le`, `lt`, `min_length`, `max_length`)."""
    return Field(default=default, description=sentence, json_schema_extra={"unit": unit} if unit else None, **bounds)


def same_as(section: type[Section], name: str) -> Any:
    """A leaf of a route that overrides `name` of a section, within the same bounds. None, the default, means: as the section says."""
    field = section.model_fields[name]
    bounds: dict[str, Any] = {}
    for limit in field.metadata:
        match limit:
            case Ge():
                bounds["ge"] = limit.ge
            case Gt():
                bounds["gt"] = limit.gt
            case Le():
                bounds["le"] = limit.le
            case Lt():
                bounds["lt"] = limit.lt
            case MinLen():
                bounds["min_length"] = limit.min_length
            case MaxLen():
                bounds["max_length"] = limit.max_length
            case _:
                pass
    extra = field.json_schema_extra
    return Field(
        default=None, description=field.description, json_schema_extra=dict(extra) if isinstance(extra, dict) else None, **bounds
    )


# ── Numbers ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _no_bool(wish: str) -> Callable[[object], object]:
    """To Python `true` is a 1; to the author of a settings file it is a slip."""

    def check(value: object) -> object:
        if isinstance(value, bool):
            raise ValueError(wish)  # noqa: TRY004 - pydantic gathers ValueErrors, a TypeError would end the reading
        return value

    return check


_SIZE = re.compile(r"\s*(\d{1,15}(?:\.\d{1,6})?)\s*([kmgt]i?)?b?\s*", re.IGNORECASE | re.ASCII)
_SIZE_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def parse_size(value: object) -> object:
    """'64MiB', '1.5 GB' or '4096' → bytes. What is no size is handed on, for pydantic to name."""
    _no_bool("int bytes")(value)
    if isinstance(value, str) and (match := _SIZE.fullmatch(value)):
        number, unit = match.groups(default="")
        return math.floor(float(number) * _SIZE_UNITS[unit.lower()]) if "." in number else int(number) * _SIZE_UNITS[unit.lower()]
    return value


Switch = bool
Count = Annotated[int, BeforeValidator(_no_bool("int"))]
Ratio = Annotated[float, BeforeValidator(_no_bool("float")), Field(allow_inf_nan=False)]
Seconds = Annotated[float, BeforeValidator(_no_bool("float seconds")), Field(allow_inf_nan=False)]
Bytes = Annotated[int, BeforeValidator(parse_size)]


# ── Texts ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _matching(pattern: str, wish: str, *, fold: bool = False) -> AfterValidator:
    """Text that matches `pattern` whole (RFC 9110 names are compared without case: `fold` stores them in lower case)."""
    compiled = re.compile(pattern, re.ASCII | (re.IGNORECASE if fold else 0))

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(wish)
        return value.lower() if fold else value

    return AfterValidator(check)


_LABELS = r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*"
_PORT = r"(?::(?:0*[1-9]\d{0,3}|0*[1-5]\d{4}|0*6[0-4]\d{3}|0*65[0-4]\d{2}|0*655[0-2]\d|0*6553[0-5]))?"

OriginUrl = Annotated[
    str,
    _matching(
        rf"|https?://(?:{_LABELS}|\[[0-9a-f:.]+\]){_PORT}/?",
        "http://HOST[:PORT] or https://HOST[:PORT], no path, no user name",
        fold=True,
    ),
    AfterValidator(lambda url: url.rstrip("/")),
]
HostPattern = Annotated[
    str,
    _matching(rf"|(?:\*\.)?{_LABELS}|\[[0-9a-f:.]+\]", "a host name such as shop.example, *.example.com, or nothing", fold=True),
]
HostHeader = Annotated[str, _matching(rf"|(?:{_LABELS}|\[[0-9a-f:.]+\]){_PORT}", "HOST or HOST:PORT, or nothing", fold=True)]
RedisUrl = Annotated[
    str,
    _matching(  # not folded: the name of a sentinels' service may stand in it, and they tell A from a
        rf"|rediss?://(?i:{_LABELS}|\[[0-9a-f:.]+\]){_PORT}(?:,(?i:{_LABELS}|\[[0-9a-f:.]+\]){_PORT})*(?:/[0-9]{{0,5}})?",
        "redis://HOST[:PORT][/DATABASE] or rediss:// for TLS, without user and password: those are redis.username and redis.password",
    ),
]
HostPort = Annotated[str, _matching(rf"(?:{_LABELS}|\[[0-9a-f:.]+\]){_PORT}", "HOST or HOST:PORT", fold=True)]
ListenHost = Annotated[str, _matching(r"[A-Za-z0-9._:%-]+", "an address or host name to listen on")]
Name = Annotated[str, _matching(r"[A-Za-z0-9_.-]{1,64}", "a name of 1 to 64 letters, digits, dots, dashes and underscores")]
RequestPath = Annotated[str, _matching(r"|/[!-~]*", "a path that begins with /, or nothing")]
Pseudonym = Annotated[str, _matching(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}", "a token such as weft, or HOST without a port")]
PathPrefix = Annotated[str, _matching(r"/[!-\"$->@-~]*", "a path that begins with / and has neither ? nor # nor blanks")]
FieldName = Annotated[str, _matching(r"[!#$%&'*+.^_`|~0-9a-z-]+", "a field name such as surrogate-key", fold=True)]
CookieName = Annotated[str, _matching(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}", "a cookie's name")]
Language = Annotated[str, _matching(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*", "a language tag such as en or pt-BR")]
MediaType = Annotated[
    str, _matching(r"[a-z0-9!#$&^_.+-]+/(?:\*|[a-z0-9!#$&^_.+-]+)", "a media type such as text/html or text/*", fold=True)
]
LimitedBy = Annotated[
    str,
    _matching(
        r"address|header:[!#$%&'*+.^_`|~0-9A-Za-z-]+|cookie:[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}",
        "address, header:NAME or cookie:NAME",
    ),
]
Method = Annotated[str, _matching(r"[A-Z]{1,32}", "a method in capitals, such as POST")]
Glob = Annotated[str, _matching(r"[!-%'-<>-~]+", "a parameter name, with * for any characters")]


def _network(value: object) -> object:
    if isinstance(value, str):
        try:
            return ipaddress.ip_network(value.strip())
        except ValueError:
            pass
    elif isinstance(value, Network):
        return value
    raise ValueError("a network such as 10.0.0.0/8 or one address")


CidrNetwork = Annotated[
    Network, BeforeValidator(_network), WithJsonSchema({"type": "string", "description": "10.0.0.0/8, or one address"})
]
"""What settings name; `Network` is what comes of it."""


class Secret:
    """A text that nothing shows: repr and str are `***`, whatever prints the settings prints that."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Give the secret itself, to the one place that sends or signs with it."""
        return self._value

    def matches(self, candidate: str | bytes) -> bool:
        """Compare in a time that says nothing about where the two differ."""
        given = candidate.encode("utf-8", "surrogateescape") if isinstance(candidate, str) else candidate
        return hmac.compare_digest(self._value.encode(), given)

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.matches(other._value)

    def __hash__(self) -> int:
        return hash(self._value)

    @classmethod
    def parse(cls, value: object) -> Secret:
        """Text → secret. Raises ValueError with the wish, never with the value."""
        if isinstance(value, Secret):
            return value
        # A token travels in a header field, so it can only be what a header field can carry. RFC 9110 §5.5.
        if isinstance(value, str) and re.fullmatch(r"[!-~]{1,4096}", value):
            return cls(value)
        raise ValueError("a secret of visible ASCII characters without blanks")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.plain_serializer_function_ser_schema(repr)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "writeOnly": True}
