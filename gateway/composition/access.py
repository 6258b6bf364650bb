"""Who may do what: tokens and networks, as plain questions."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

__all__ = ["is_in", "text_check", "token_check"]


def is_in(address: str, networks: tuple[Any, ...]) -> bool:
    """Whether address lies in one of networks; False for what is no address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return any((mapped or parsed) in network for network in networks)


def token_check(tokens: tuple[Any, ...]) -> Callable[[bytes], bool]:
    """Compares with every token, in constant time each, so that the time tells nothing."""
    return lambda given: any([token.matches(given) for token in tokens])  # noqa: C419 - no short cut


def text_check(tokens: tuple[Any, ...]) -> Callable[[str], bool]:
    """token_check for text."""
    check = token_check(tokens)
    return lambda given: check(given.encode("utf-8"))
