"""One event per request, made once; access log and metrics are views of it. Nothing here ever waits, and no cookie, token or query value gets in."""
