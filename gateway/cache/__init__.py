"""A shared cache by RFC 9111: pure rules, and a store for what they let in."""
