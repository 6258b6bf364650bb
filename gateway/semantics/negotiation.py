"""What a client prefers: content codings and languages (RFC 9110 §12.5), brought to one spelling so that equal wishes look equal."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.semantics.fields import split_list

__all__ = ["best_language", "normal_encodings", "normal_languages", "normal_list", "preferred_coding", "weighted"]

_WEIGHT = re.compile(rb"[ \t]*;[ \t]*q=([01](?:\.\d{0,3})?)[ \t]*", re.IGNORECASE)


def weighted(value: bytes) -> list[tuple[bytes, float]]:
    """Members in lower case with their weights, in order. A malformed weight counts as 1 (§12.4.2 gives no better advice)."""
    members = []
    for member in split_list(value):
        name, separator, rest = member.partition(b";")
        found = _WEIGHT.fullmatch(separator + rest) if separator else None
        members.append((name.strip(b" \t").lower(), float(found[1]) if found else 1.0))
    return members


def preferred_coding(accept: bytes | None, available: Sequence[bytes]) -> bytes | None:
    """The coding of available (in our order of preference) that the client likes best; None: send it as it is.

    Identity wins only where every coding has a lower weight than it, or weight 0. §12.5.3.
    """
    if not accept:
        return None
    weights = dict(weighted(accept))
    rest = weights.get(b"*", 0.0)
    identity = weights.get(b"identity", 0.0)
    best, best_weight = None, 0.0
    for coding in available:
        weight = weights.get(coding, weights.get(b"x-gzip", rest) if coding == b"gzip" else rest)
        if weight > best_weight:
            best, best_weight = coding, weight
    return best if best_weight >= identity else None


def normal_encodings(accept: bytes | None, available: Sequence[bytes]) -> bytes:
    """`Accept-Encoding` as we send it on: the acceptable ones of available in their order, `identity` when there is none."""
    if not accept:
        return b"identity"
    weights = dict(weighted(accept))
    rest = weights.get(b"*", 0.0)
    return b", ".join(coding for coding in available if weights.get(coding, rest) > 0) or b"identity"


def normal_languages(accept: bytes | None, site: Sequence[bytes] = ()) -> bytes | None:
    """`Accept-Language` in one spelling: lower case, ordered by weight then name, weights only where they differ from 1.

    site: the languages the site has; when given, the answer is the one of them that suits best (RFC 4647 §3.4 lookup), or the first.
    Order among equal weights means nothing (RFC 9110 §12.5.4), so it is not kept.
    """
    if accept is None and not site:
        return None
    wishes = sorted(
        {(name, weight) for name, weight in weighted(accept or b"") if weight > 0}, key=lambda wish: (-wish[1], wish[0])
    )
    if site:
        return _lookup([name for name, _ in wishes], site)
    return b", ".join(name if weight == 1 else b"%s;q=%g" % (name, weight) for name, weight in wishes)


def _lookup(wishes: Sequence[bytes], site: Sequence[bytes]) -> bytes:
    known = {language.lower(): language for language in site}
    for wish in wishes:
        tag = wish
        while tag:
            if tag in known:
                return known[tag]
            tag = tag.rpartition(b"-")[0]
    return site[0]


def best_language(accept: bytes | None) -> bytes | None:
    """The one language that the client puts above all others, lower case; None when several share the highest weight, or it is `*`."""
    wishes = [wish for wish in weighted(accept or b"") if wish[1] > 0]
    if not wishes:
        return None
    top = max(weight for _, weight in wishes)
    best = {name for name, weight in wishes if weight == top}
    return best.pop() if len(best) == 1 and b"*" not in best else None


def normal_list(value: bytes) -> bytes:
    """Any other selecting field: blanks around commas and at the ends mean nothing. RFC 9110 §12.5.5, RFC 9111 §4.1."""
    return b",".join(member.strip(b" \t") for member in value.split(b",")) if b"," in value else value.strip(b" \t")
