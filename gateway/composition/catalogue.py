"""`[slots]`, `[templates]`: fragments of our own, their templates compiled."""

from __future__ import annotations

from pathlib import Path

from fragments.catalogue import Catalogue, CatalogueError, Slot, TemplateFault
from gateway.errors import SettingsError
from gateway.settings import Settings

__all__ = ["build_catalogue"]


def build_catalogue(settings: Settings) -> Catalogue:
    """The slots of the settings, their templates compiled. Raises SettingsError with every fault of a template."""
    slots = [
        Slot(
            name,
            slot.template,
            needs=slot.needs,
            lifetime=slot.lifetime,
            scope=slot.scope,
            audience=slot.audience,
            tags=slot.tags,
            data=slot.data,
        )
        for name, slot in settings.slots.items()
    ]
    try:
        return Catalogue(slots, Path(settings.templates.directory), max_bytes=settings.templates.max_bytes)
    except CatalogueError as error:
        raise SettingsError([_template_fault(fault) for fault in error.faults]) from None


def _template_fault(fault: TemplateFault) -> str:
    place = f"{fault.file}, line {fault.line}" if fault.line else fault.file
    return f"{', '.join(f'slots.{name}.template' for name in fault.slots)}: {place}: {fault.message}"
