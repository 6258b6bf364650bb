"""To the origin and back: one strict HTTP/1.1 client, its pool, and what is known of an origin's health. Start at origin.py, the port."""
