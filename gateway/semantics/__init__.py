"""HTTP's own values (RFC 9110, 9111, 9651) as pure functions: text in, value out, and back. No clock, no I/O, nothing of ours."""
