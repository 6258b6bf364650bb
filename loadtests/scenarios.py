"""Who comes, in what numbers: a scenario is a mixture of people. Chosen by `--scenario`; its budget has the same name (budgets.py)."""

from __future__ import annotations

import os

from users.browsing import Browser
from users.buying import Buyer
from users.editing import Editor
from users.searching import Searcher
from users.shop import Visitor

__all__ = ["SCENARIOS", "people"]

SCENARIOS: dict[str, dict[type[Visitor], int]] = {
    "calm": {Browser: 14, Searcher: 3, Buyer: 2, Editor: 1},
    "sale": {Browser: 24, Searcher: 2, Buyer: 6},
    "newsroom": {Browser: 10, Searcher: 1, Editor: 5},
}
"""calm: a day like any other. sale: everybody looks, many buy. newsroom: editors change and purge all the time."""


def people(scenario: str) -> list[type[Visitor]]:
    """The user classes of a scenario, weighted. Without both tokens there are no editors."""
    found = []
    for kind, weight in SCENARIOS[scenario].items():
        if kind is Editor and not {"WEFT_ADMIN_TOKEN", "WEFT_PURGE_TOKEN"} <= os.environ.keys():
            continue
        kind.weight = weight
        found.append(kind)
    return found
