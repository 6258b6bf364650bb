"""Content that follows later in the same response: the page streams past a slow include, and a template at its end fills the place.

    <?start name="weft-1">…meanwhile…<?end>   …rest of the page…   <template for="weft-1">content</template>

HTML Standard, "template for" (out-of-order patching): Chromium does it natively since version 148. Elsewhere the markers parse as comments, and a
script of a few hundred octets does the same. Clients that are no browsers, robots among them, get document order. Pure.
"""

from __future__ import annotations

import re

from gateway.semantics.message import Fields, Request, first

__all__ = ["SCRIPT", "LatePatch", "may_patch"]

NATIVE_SINCE = 148

SCRIPT = (
    b"self.weftLate??=n=>{let t=document.querySelector('template[for=\"'+n+'\"]'),i,c,s;if(!t)return;"
    b"i=document.createNodeIterator(document,128);for(;c=i.nextNode();)"
    b"if(c.data.startsWith('?start name=\"'+n+'\"')){s=c;break}"
    b"if(s){for(;(c=s.nextSibling)&&!(c.nodeType==8&&c.data.startsWith('?end'));)c.remove();"
    b"c&&c.remove();s.replaceWith(t.content)}t.remove()}"
)
"""For browsers that leave a template where it came: moves its content to its place."""

_ROBOT = re.compile(rb"bot|crawl|spider|slurp|preview|fetch|archiv|scan|monitor|lighthouse|headless", re.IGNORECASE)
_CHROMIUM = re.compile(rb'"Chromium";v="(\d{1,4})')


def may_patch(request: Request, fields: Fields, nonce: bytes) -> str:
    """How late content may reach this client: "script", "native", or "" for not at all.

    fields: the page's. nonce: what a script of ours would carry; b"" when there is none. A page with a Content-Security-Policy of which we have no
    nonce gets no script of ours.
    """
    if request.method != b"GET" or first(request.fields, b"sec-fetch-dest") not in (b"document", b"iframe", b"frame"):
        return ""
    agent = first(request.fields, b"user-agent")
    if not agent or _ROBOT.search(agent) is not None:
        return ""
    version = _CHROMIUM.search(first(request.fields, b"sec-ch-ua") or b"")
    if version is not None and int(version[1]) >= NATIVE_SINCE:
        return "native"
    return "script" if nonce or first(fields, b"content-security-policy") is None else ""


class LatePatch:
    """The patches of one response. how: as `may_patch` says; tag: what keeps its names apart from everything in the page."""

    __slots__ = ("_count", "_has_script", "_how", "_nonce", "_tag")

    def __init__(self, how: str, tag: bytes, nonce: bytes) -> None:
        self._how = how
        self._tag = tag
        self._nonce = nonce
        self._count = 0
        self._has_script = False

    def open(self, meanwhile: bytes) -> tuple[bytes, bytes]:
        """A new place: its name, and what stands there until its content comes."""
        self._count += 1
        name = b"weft-%s-%d" % (self._tag, self._count)
        return name, b'<?start name="%s">%s<?end>' % (name, meanwhile)

    def begin(self, name: bytes) -> bytes:
        """What stands before the content."""
        return b'<template for="%s">' % name

    def end(self, name: bytes) -> bytes:
        """What stands after it."""
        if self._how == "native":
            return b"</template>"
        attribute = b' nonce="%s"' % self._nonce if self._nonce else b""
        script = b"" if self._has_script else SCRIPT + b";"
        self._has_script = True
        return b"</template><script%s>%sweftLate(%s)</script>" % (attribute, script, b"'%s'" % name)
