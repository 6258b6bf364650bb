"""Pages that are made of pieces, around the pure core in `fragments`.

rules        whether a response is such a page, and what the site allows it
inclusion    from an include's URL to the request that answers it
readable     compressed pages, decoded within bounds
raw_markup   ESI tags in pages that are not assembled
template     a page to be assembled
inline_fragments  what stands in a page and may be asked for by itself
slots        fragments that the gateway makes itself
kitchen      what assembly asks of the rest of the flow
fetching     one include, whole or why not; and what a page led to last time
sharing      what a page shares with all that it includes
asking       from a hole to what fills it
weaving      one page under way: what memory has, what must be fetched, what is ready
csrf         a token for forms in pages that everybody shares
late_patch   content that follows later in the same response
woven        the response of it, head and content
composite    what it says of itself, from what its pieces say
weaver       the way in: from memory at once, or by asking
guest_routes foreign hosts
"""
