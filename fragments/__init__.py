"""Marked-up bytes → a page. Knows nothing of caches or HTTP servers.

It will hold

    esi/          ESI: lexer → parser → nodes → compiler → program; expressions; errors with byte spans
    assembly      runs a program without I/O: hands out needs, takes answers, gives bytes in document order
    catalogue     slots and variants: template, data needs, lifetime, scope, audience
    render        the built-in fragments, with Jinja2

`gateway` imports it; it imports neither `gateway` nor `profiles`.
"""

from __future__ import annotations

__all__: list[str] = []
