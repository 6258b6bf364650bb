"""Marked-up bytes → a page. Knows nothing of caches or HTTP servers.

    esi/          ESI: lexer → parser → nodes → compiler → program; expressions; problems with their places
    assembly/     runs a program without I/O: hands out needs, takes answers, gives bytes in document order
    catalogue     slots: template, data needs, lifetime, scope, audience;  sandbox: what their templates may do
    render        pages of our own, with Jinja2

`gateway` imports it; it imports neither `gateway` nor `profiles`.
"""

from __future__ import annotations

__all__: list[str] = []
