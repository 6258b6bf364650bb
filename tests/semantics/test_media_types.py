"""Choices of media types, as settings write them."""

from __future__ import annotations

import pytest

from gateway.semantics.media_types import MediaTypes

CHOICE = MediaTypes(("text/*", "application/json"))


@pytest.mark.parametrize(
    "content_type", [b"text/html", b"TEXT/HTML; charset=utf-8", b"application/json", b"application/json ;v=1"]
)
def test_types_of_the_choice_are_had_whatever_their_parameters(content_type):
    assert CHOICE.have(content_type)
    assert CHOICE.have(content_type)  # a second time: remembered


@pytest.mark.parametrize("content_type", [None, b"", b"image/png", b"application/json5", b"texts/html", b";text/html"])
def test_other_types_are_not(content_type):
    assert not CHOICE.have(content_type)
    assert not CHOICE.have(content_type)


def test_any_number_of_values_is_answered_rightly():
    for number in range(1_000):
        assert CHOICE.have(b"text/html; n=%d" % number)
        assert not CHOICE.have(b"image/png; n=%d" % number)
