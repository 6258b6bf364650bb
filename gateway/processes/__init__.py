"""The processes of `weft serve`: one parent that never serves, and workers that do nothing else.

parent   owns the listening socket, the signals and the workers. Synchronous, one thread, no event loop: so it may fork at any moment
worker   an event loop, a Gateway, a Server. Hears from the parent over a channel, and shows its pulse in a page of shared memory

supervisor   the parent's loop: signals, stopping, what workers ask for          worker    a worker's life, from fork to exit
crew         who serves in which slot, who is coming, who is leaving             server    accepting connections and draining them
child        one worker as the parent sees it; the fork                          acceptor  the listening socket in an event loop
backoff      when to try again                  binding   the listening socket   channel, pulse   what goes between the two
"""
