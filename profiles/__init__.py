"""Who is asking and what suits them. Knows nothing of pages.

It will hold

    model · identity · consent · audience · rules · experiments · decide     pure
    batch       which ids to ask for, in which call: pure;  loader sends what was asked for within a few ms as one batch
    events/     schema, log, counters
    source      where profiles come from: a port and its adapters
    recommend/  precomputed lists, and how they are looked up

A decision says why, and which inputs it read. `gateway` imports this package; it imports neither `gateway` nor `fragments`.
"""

from __future__ import annotations

__all__: list[str] = []
