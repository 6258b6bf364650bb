"""`[redis]`: what this process shares with others, or the parts that do without."""

from __future__ import annotations

from typing import NamedTuple

from gateway.cache.redis_tier import RedisTier
from gateway.composition.redis import build_redis_link
from gateway.live.bus import Bus
from gateway.live.memory_bus import MemoryBus
from gateway.live.redis_bus import RedisBus
from gateway.redis_link.link import RedisLink
from gateway.settings import Settings

__all__ = ["Sharing", "build_sharing"]


class Sharing(NamedTuple):
    """The bus, and what only several processes need."""

    bus: Bus
    link: RedisLink | None = None
    tier: RedisTier | None = None

    def is_live(self) -> bool:
        """Whether Redis can be asked, and purges of others are heard."""
        return self.link is not None and self.link.is_up and self.bus.is_live

    async def start(self) -> None:
        """Find Redis and begin to hear others. Never raises: Redis may come later."""
        if self.link is not None:
            await self.link.start()
        await self.bus.start()

    async def aclose(self) -> None:
        """Write what waits to be written, and leave."""
        if self.tier is not None:
            await self.tier.aclose()
        await self.bus.aclose()
        if self.link is not None:
            await self.link.aclose()


def build_sharing(settings: Settings) -> Sharing:
    """What the settings ask for. Raises SettingsError."""
    redis = settings.redis
    link = build_redis_link(settings)
    if link is None:
        return Sharing(MemoryBus())
    # A log that outlives whatever is stored: a process that finds a response must be able to hear what has been purged since.
    bus = RedisBus(link, redis.prefix, keep_entries=redis.purges.keep_entries, keep_for=2 * redis.cache.max_ttl)
    tier = None
    if redis.cache.enabled:
        tier = RedisTier(link, redis.prefix, max_object_bytes=redis.cache.max_object_bytes, max_ttl=redis.cache.max_ttl)
    return Sharing(bus, link, tier)
