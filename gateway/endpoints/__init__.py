"""Our own paths below /_weft/, and the catch-all that carries the traffic. Thin: each reads a request, calls one thing, writes an answer."""
