"""A small shop, and a page that shows what the cache in front of it does.

    shop.py       an ordinary ASGI application. It knows nothing of the gateway: replace it by any CMS that speaks HTTP
    console.py    the live page. It knows nothing of the flow: it is given callables
    everything else serves one of the two

`python -m gateway.demo` runs the shop alone, as an origin for experiments and load tests.
"""
