"""A stored response that the origin has confirmed: the same content under the header section of now. RFC 9111 §3.2, §4.3.4, §4.3.5. Pure."""

from __future__ import annotations

from gateway.cache.entry import NEVER_STORED, Entry, merge_fields, stored_fields
from gateway.cache.freshness import initial_age
from gateway.cache.policy import NotStored, judge
from gateway.cache.variant import nominated_values
from gateway.flow.questions import tags_of
from gateway.flow.recognise import Visit
from gateway.semantics.dates import format_date
from gateway.semantics.fields import end_to_end
from gateway.semantics.message import Fields, Section, first
from gateway.upstream.origin import OriginResponse

__all__ = ["Freshened", "freshen"]


class Freshened:
    """entry: what to answer with. keeps: it may be stored. moved: it is selected by other values than what it renews."""

    __slots__ = ("entry", "keeps", "moved")

    def __init__(self, entry: Entry, *, keeps: bool, moved: bool = False) -> None:
        self.entry = entry
        self.keeps = keeps
        self.moved = moved


def freshen(visit: Visit, entry: Entry, sent: Fields, response: OriginResponse, stamp: int) -> Freshened:
    """entry, updated by a 304 or the answer to a HEAD. sent: the request as the origin got it. stamp: the purge ledger's sequence when the fetch began."""
    policy = visit.route.policy
    age = [field for field in response.fields if field[0] == b"age"]
    update = [field for field in end_to_end(response.fields) if field[0] != b"age"]
    if first(update, b"date") is None:  # the stored one is that of the earlier response. RFC 9110 §6.6.1
        update.append((b"date", format_date(response.response_time)))
    merged = merge_fields(entry.fields(), update if entry.esi else visit.route.esi.conceal(update))
    asked, answered = response.request_time, response.response_time
    terms = judge(
        b"GET", visit.key, sent, entry.status, merged + age, policy, request_time=asked, response_time=answered, held=True
    )
    if isinstance(terms, NotStored):
        hidden = {*NEVER_STORED, *policy.tag_fields}
        passed = [field for field in merged if field[0] not in hidden]
        born = answered - initial_age(Section(merged + age), asked, answered)[0]
        return Freshened(entry.for_one(passed, born), keeps=False)
    fields = stored_fields(merged, terms, policy.tag_fields, format_date(answered))
    nominated = entry.nominated if terms.vary == entry.vary else nominated_values(terms.vary, sent)
    terms.transform = entry.transform and terms.transform
    fresh = Entry(
        entry.key,
        entry.route,
        entry.status,
        fields,
        entry.body,
        terms,
        nominated=nominated,
        tags=tags_of(response.section, policy.tag_fields) or entry.tags,
        stamp=stamp,
        parts=entry.parts,
        length=entry.length,
    )
    fresh.codings = entry.codings
    fresh.esi, fresh.program, fresh.packed, fresh.version = entry.esi, entry.program, entry.packed, entry.version
    fresh.cost += sum(len(copy) for copy in entry.codings.values() if copy)
    fresh.cost = max(fresh.cost, entry.cost)  # with what was left on it since: program, compressed pieces
    return Freshened(fresh, keeps=True, moved=nominated != entry.nominated or terms.vary != entry.vary)
