"""A conformance corpus: what a shared cache must do (required) and what a good one does (good), as data. Written from the RFCs; the sections are named.

Time passes by what responses say of their age, never by waiting: `Age: 7200` is two hours. In fields, {+60} is the HTTP-date a minute from the
beginning of the run, {path} the path of the case. Lines are written as in transcripts (tests/support/fakes.py): first words | Field: value | -Missing | «content».

The cases stand in corpus_storing (what is kept), corpus_reusing (what it is used for), corpus_asking (what is asked of the origin, and when).
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["GOOD", "REQUIRED", "Case", "Exchange", "ask", "stored"]

REQUIRED = "required"
GOOD = "good"


class Exchange(NamedTuple):
    """One request, and what comes of it.

    asks    method and what follows the case's path | fields | «content»
    gets    outcome word, status | fields | «content». The word is hit, a token of RFC 9211 §2.2 for what went to the origin, or refused
    origin  what the origin says: status | fields | «content»; or close; None: it must not be asked
    told    method | fields that the origin must have been sent, or not
    behind  the origin is asked after the client has been answered
    """

    asks: str
    gets: str
    origin: str | None = None
    told: str = ""
    behind: bool = False


class Case(NamedTuple):
    """needs: ids of cases without which this one says nothing; look at those first."""

    id: str
    kind: str
    section: str
    exchanges: tuple[Exchange, ...]
    needs: tuple[str, ...] = ()


def ask(asks: str, gets: str, origin: str | None = None, *, told: str = "", behind: bool = False) -> Exchange:
    return Exchange(asks, gets, origin, told, behind)


def stored(fields: str, body: str = "one", *, asks: str = "GET", status: int = 200) -> Exchange:
    """A first request that brings something new."""
    return Exchange(asks, f"uri-miss {status} | «{body}»", f"{status} | {fields} | «{body}»")
