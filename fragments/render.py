"""Jinja2, set up once: templates of this package, autoescape always on (its own default is off)."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

__all__ = ["render"]


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("fragments", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, **values: object) -> str:
    """A template of fragments/templates with values. Raises jinja2's errors: a template that fails is a defect of ours."""
    return _environment().get_template(template).render(**values)
