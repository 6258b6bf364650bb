"""Faults that show only when the parts are made: gathered, so that all of them are told together, in the words of the settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from gateway.errors import SettingsError

__all__ = ["attempt"]

_Part = TypeVar("_Part")


def attempt(faults: list[str], path: str, make: Callable[[], _Part]) -> _Part | None:
    """The part that make makes for the setting at path; None when it can't, and faults has got the lines that say why."""
    try:
        return make()
    except SettingsError as error:
        faults += error.problems
    except OSError as error:
        file = f"{error.filename}: " if error.filename else ""
        faults.append(f"{path}: can't be used: {file}{error.strerror or error}")
    return None
