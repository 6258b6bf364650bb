"""ESI, the markup language of edge-side includes: ESI 1.0 (W3C NOTE of 4 August 2001) and what of Akamai's additions is in use.

    octets ──lexer──▶ tokens ──parser──▶ nodes ──compiler──▶ program
                                           │
                                  attributes and text ──expressions──▶ closures, with functions/ as their library

    elements      the table of elements: attributes, parents, children
    errors        spans, problems (what a page has wrong), and the two exceptions that stay inside
    values        what an expression can yield, how it compares, prints and is escaped
    scope         what an expression may ask of the request that it is evaluated for

Pure: no clock, no randomness, no I/O, no log. A page with mistakes never raises: each is a problem with a place, and the rest goes on.
"""

from __future__ import annotations

__all__: list[str] = []
