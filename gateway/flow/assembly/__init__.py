"""Pages that are made of pieces, around the pure core in `fragments`.

rules        whether a response is such a page, and what the site allows it
inclusion    from an include's URL to the request that answers it
readable     compressed pages, decoded within bounds
template     a page to be assembled
weaving      one page under way: what memory has, what must be fetched, what is ready
woven        the response of it, head and content
composite    what it says of itself, from what its pieces say
weaver       the way in: from memory at once, or by asking
guest_routes foreign hosts
"""
