"""What an inquiry found, as text for a terminal: short lines, the section after each rule, nothing that was not found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any

from gateway.commands.markup import Found

__all__ = ["tell"]


def tell(found: Found) -> str:
    """The whole story, ending in a newline."""
    lines: list[str] = []
    for title, section in (
        ("key", _key),
        ("what the request wishes", _wishes),
        ("what is done with it", _first),
        ("what the origin was asked", _asked),
        ("what it answered", _answered),
        ("which field governs", _governing),
        ("may it be stored: each of these must hold", _rules),
        ("how long", _freshness),
        ("how it is kept", _kept),
        ("what it is made of (ESI)", _assembly),
        ("verdict", _verdict),
        ("the same request again", _second),
    ):
        told = list(section(found))
        if told:
            lines += [title, *(f"  {line}" for line in told), ""]
    return "{method} {url}\n\n".format(**found["request"]) + "\n".join(lines).rstrip("\n") + "\n"


def _key(found: Found) -> Iterator[str]:
    key, route = found["key"], found["route"]
    rows = [
        ("scheme", key["scheme"], ""),
        ("host", key["host"], ""),
        ("target", key["target"], key["query"]),
        ("route", route["name"], f"{route['place']}: {route['why']}"),
        ("origin", route["origin"], route["url"]),
    ]
    yield from _table(rows)


def _wishes(found: Found) -> Iterator[str]:
    rows = [(wish["wish"], wish["meaning"], wish["section"]) for wish in found["wishes"]]
    yield from _table(rows) if rows else ["nothing about caching"]


def _first(found: Found) -> Iterator[str]:
    yield found["first"]["text"]


def _asked(found: Found) -> Iterator[str]:
    if asked := found.get("asked"):
        yield f"{asked['method']} {asked['target']}"
        yield from _fields(asked["fields"])
    elif unasked := found.get("unasked"):
        yield f"nothing: {unasked}"


def _answered(found: Found) -> Iterator[str]:
    if error := found.get("error"):
        yield f"nothing: {error['message']}"
        yield f"a client gets {error['status']} {_phrase(error['status'])}, reason {error['reason']}"
    if answered := found.get("answered"):
        yield f"{answered['status']} {_phrase(answered['status'])}, after {answered['seconds'] * 1000:.0f} ms"
        yield from _fields(answered["fields"])


def _governing(found: Found) -> Iterator[str]:
    for field in found.get("governing", ()):
        value = "" if field["value"] is None else f": {field['value']}"
        yield (
            f"{field['field']}{value}  ◀ governs"
            if field["verdict"] == "governs"
            else (f"{field['field']}{value}  ({field['verdict']})" if field["field"] else field["verdict"])
        )


def _rules(found: Found) -> Iterator[str]:
    rows = [("holds" if rule["verdict"] == "pass" else "FAILS", rule["rule"], rule["section"]) for rule in found.get("rules", ())]
    yield from _table(rows)
    if rows and rows[-1][0] == "FAILS":
        yield f"so it is not stored: {found['rules'][-1]['reason']}"


def _freshness(found: Found) -> Iterator[str]:
    if (told := found.get("freshness")) is None:
        return
    rows = [
        ("age", _seconds(told["age"]), told["age_from"]),
        ("fresh", _seconds(told["lifetime"]), told["lifetime_from"]),
        ("stale while one request renews it", _seconds(told["stale_while_revalidate"]), told["stale_while_revalidate_from"]),
        ("stale when the origin fails", _seconds(told["stale_if_error"]), told["stale_if_error_from"]),
        ("stale when the client asks for it", "yes" if told["stale_on_request"] else "no", "max-stale, RFC 9111 §5.2.1.2"),
    ]
    yield from _table(rows)
    if told["validate"]:
        yield "no-cache: validated before each use, however fresh (RFC 9111 §5.2.2.4)"


def _kept(found: Found) -> Iterator[str]:
    if "vary" not in found:
        return
    if not found["vary"]:
        yield "varies on nothing"
    for one in found["vary"]:
        yield f"varies on {one['field']}: this one is for {'requests without it' if one['value'] is None else one['value']}"
    if "tags" in found:
        yield f"tags: {' '.join(found['tags']) or 'none'}"
    if compression := found.get("compression"):
        if compression["why_not"]:
            yield f"not compressed: {compression['why_not']}"
        else:
            yield f"also compressed, when first asked for: {', '.join(compression['codings'])}; this request gets {compression['for_this_request'] or 'the plain form'}"


def _assembly(found: Found) -> Iterator[str]:
    """Nothing for a page that neither is one of pieces nor looks like one."""
    told = found.get("assembly")
    if told is None or not (told["assembled"] or told["markup"]["elements"]):
        return
    markup = told["markup"]
    if told["unread"]:
        yield f"its content can't be read: {told['unread']}"
    elements = f"{markup['elements']} ESI element{'' if markup['elements'] == 1 else 's'}"
    if not told["assembled"]:
        yield f"it is not assembled: {told['why_not']}"
        yield f"what it has of ESI ({elements}) {'is taken out' if told['stripped'] else 'goes out as it is'}"
    else:
        yield f"it is assembled: {elements}"
        for include in told["includes"]:
            yield from _include(include, "")
        if not told["includes"]:
            yield "nothing was included for this request"
    for problem in markup["problems"]:
        yield "{severity} at line {line}, column {column}: {message} ({code})".format(**problem)
    yield from (f"met while it ran: {problem}" for problem in told["met"])
    if markup["variables"]:
        yield f"may read {', '.join(markup['variables'])}"
    if told["assembled"] and (control := told["response"].get("cache-control")):
        vary = told["response"].get("vary")
        yield f"so the page says Cache-Control: {control}{f'; Vary: {vary}' if vary else ''}"


def _include(include: Found, indent: str) -> Iterator[str]:
    """One request for the page, and what it has led to."""
    what = "alt" if include["rung"] == "alt" else "include"
    came = include["reason"] or f"{include['cache']}, {include['status']}, {include['octets']} octets"
    became = "" if include["outcome"] in ("", include["rung"]) else f"; in the page: {include['outcome']}"
    yield f"{indent}{what} {include['url']}: {came}{became}"
    yield f"{indent}  goes {include['goes']}"
    if include["now"]:
        yield f"{indent}  the next one {include['now']}"
    for inner in include["includes"]:
        yield from _include(inner, f"{indent}  ")


def _verdict(found: Found) -> Iterator[str]:
    if (verdict := found.get("verdict")) is not None:
        yield verdict["text"]
        yield f"{verdict['status']} {_phrase(verdict['status'])}, Cache-Status: {verdict['cache_status']}"


def _second(found: Found) -> Iterator[str]:
    if "second" in found and "error" not in found:
        yield found["second"]["text"]


def _fields(pairs: Iterable[Any]) -> Iterator[str]:
    for name, value in pairs:
        yield f"  {name}: {value}"


def _table(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Rows in columns; the last is not padded."""
    held = list(rows)
    widths = [max((len(row[column]) for row in held), default=0) for column in range(len(held[0]) - 1)] if held else []
    for row in held:
        yield "  ".join([*(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 10 or seconds == int(seconds) else f"{seconds:.3f} s"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
