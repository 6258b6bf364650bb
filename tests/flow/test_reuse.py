"""What is stored, and when it is used again (RFC 9111 §3, §4)."""

from __future__ import annotations


def test_a_fresh_response_is_reused_without_asking_the_origin(play):
    """RFC 9111 §4, §4.2."""
    play("""
        visitor ──▶ GET /page
        origin  ◀── GET /page | Host: shop.test
        origin  ──▶ 200 | Cache-Control: max-age=60 | Content-Type: text/plain | «hello»
        visitor ◀── 200 | Age: 0 | Content-Type: text/plain | Cache-Status: fwd=uri-miss; stored; ttl=60 | «hello»
        +30 s
        visitor ──▶ GET /page
        visitor ◀── 200 | Age: 30 | Content-Type: text/plain | Cache-Status: hit; ttl=30 | «hello»
    """)
