"""Who is asked under one version of the settings: made anew, or kept from the version before where nothing about it has changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from gateway.composition.faults import attempt
from gateway.composition.origins import AnyOrigin, build_guests, build_origin, named_origins
from gateway.settings import Settings
from gateway.settings.origins import Upstream
from gateway.upstream.guests import GuestOrigins

__all__ = ["Sources", "build_sources"]


@dataclass(slots=True)
class Sources:
    """Who is asked, under one version of the settings. plans, guest_plan: what each was made from, so that the next version knows whom it can keep."""

    origins: dict[str, AnyOrigin] = field(default_factory=dict)
    guests: GuestOrigins | None = None
    plans: dict[str, object] = field(default_factory=dict)
    guest_plan: object = None

    def without(self, kept: Sources) -> tuple[dict[str, AnyOrigin], GuestOrigins | None]:
        """Those that the other version has not kept."""
        origins = {name: origin for name, origin in self.origins.items() if kept.origins.get(name) is not origin}
        return origins, self.guests if self.guests is not kept.guests else None


def build_sources(settings: Settings, before: Sources | None, faults: list[str]) -> Sources:
    """All origins; those of before that are asked in the same way still are kept. Faults are added to the list, and what has one is left out."""
    before, made = before or Sources(), Sources()
    for name, origin in named_origins(settings):
        path = f"{'upstream' if origin is settings.upstream else f'origins.{name}'}.tls_ca_file"
        found = attempt(faults, path, partial(_kept_or_made, name, origin, before))
        if found is not None:
            made.plans[name], made.origins[name] = found
    if settings.esi.hosts:
        made.guest_plan = (settings.esi.hosts, settings.esi.allow_private, settings.esi.deadline)
        made.guests = before.guests if before.guest_plan == made.guest_plan else build_guests(settings.esi)
    return made


def _kept_or_made(name: str, origin: Upstream, before: Sources) -> tuple[object, AnyOrigin]:
    plan = (origin, _authorities(origin))
    kept = before.origins[name] if before.plans.get(name) == plan else None
    return plan, kept or build_origin(name, origin)


def _authorities(origin: Upstream) -> bytes:
    """What tls_ca_file holds: a new certificate in the same file makes another origin. Raises OSError."""
    return (
        Path(origin.tls_ca_file).read_bytes()
        if origin.tls_ca_file and any(url.startswith("https:") for url in (origin.url, *origin.servers))
        else b""
    )
