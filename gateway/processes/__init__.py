"""The processes of `weft serve`: one parent that never serves, and workers that do nothing else.

    parent   owns the listening socket, the signals and the workers. Synchronous, one thread, no event loop: so it may fork at any moment
    worker   an event loop, a Gateway, a Server. Hears from the parent over a channel, and shows its pulse in a page of shared memory

the parent    supervisor (the loop: signals, start, end) · crew (who serves, comes, leaves) · child (one worker, and its fork) · watch, backoff, memory
              rolling, reloading, figures (what workers and signals ask for) · binding, notify (the socket, words with systemd)
the worker    worker (its life) · server (drains) · acceptor (takes connections)
in between    channel, asks, pulse, shipping, outcome
"""
