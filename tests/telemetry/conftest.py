"""A real gateway before a scripted origin."""

from __future__ import annotations

from tests.support.fixtures import *  # noqa: F403
