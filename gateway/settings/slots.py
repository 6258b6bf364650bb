"""Fragments of the gateway's own: where their templates are, and what each slot may know and who may share it."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator

from gateway.settings.units import Bytes, Seconds, Section, leaf

__all__ = ["Slot", "Templates"]

YEAR = 365 * 86400
_DEEPEST = 8
_WISH = "a table of texts, numbers, true or false, and lists and tables of these"

Need = Literal["language", "query", "host", "path"]
Dimension = Literal["language"]


def _tag(value: str) -> str:
    if not value or len(value) > 256 or not all("!" <= sign <= "~" for sign in value):
        raise ValueError("a tag of visible ASCII characters without blanks, at most 256")
    return value


Tag = Annotated[str, AfterValidator(_tag)]


def _constants(value: object) -> object:
    """What a template can be given. From the environment it comes as JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise ValueError(f"{_WISH}, as JSON") from None
    if not isinstance(value, dict) or not _is_plain(value, _DEEPEST):
        raise ValueError(_WISH)
    return value


def _is_plain(value: object, deepest: int) -> bool:
    if isinstance(value, dict):
        return deepest > 0 and all(isinstance(name, str) and _is_plain(each, deepest - 1) for name, each in value.items())
    if isinstance(value, list):
        return deepest > 0 and all(_is_plain(each, deepest - 1) for each in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str | bool) or (isinstance(value, int) and abs(value) < 2**63)


Constants = Annotated[dict[str, Any], BeforeValidator(_constants)]


class Templates(Section):
    """Where the templates of slots are."""

    directory: str = leaf("", "Directory of the templates; nothing outside it is read. Required when there are slots.")
    max_bytes: Bytes = leaf(2**20, "Longest fragment that a template may make.", unit="bytes", ge=1, le=64 * 2**20)


class Slot(Section):
    """A named fragment of the gateway's own, at /_weft/slots/NAME and for includes of that address."""

    template: str = leaf("", "Its file, below templates.directory. Required.", max_length=1024)
    lifetime: Seconds = leaf(
        0.0, "How long what was rendered may be kept, here and behind us. 0: made anew each time.", unit="seconds", ge=0, le=YEAR
    )
    scope: Literal["public", "audience", "visitor"] = leaf(
        "public",
        "Who may share it: public, everybody; audience, all who are alike in the audience, in this cache only; visitor, nobody.",
    )
    audience: tuple[Dimension, ...] = leaf((), "What tells apart those who may share it.")
    needs: tuple[Need, ...] = leaf(
        (), "What of the request the template sees: language, and of the fragment's own URL query, host, path."
    )
    tags: tuple[Tag, ...] = leaf((), "Tags for purging; pages that include it carry them too.")
    data: Constants = leaf({}, "Constants, which the template sees as data.")
