"""What everything that is kept in Redis goes through: level 2 of the cache, leases, purges. Knows nothing of what it carries.

    RedisLink (link.py)          the verbs: get, set, add, remove, append, …; all gets of one loop tick are one command
      └─ Topology                which server has a key
           OneServer             one address (topology.py)
           SentinelMaster        whoever the sentinels say leads (sentinels.py)
           Cluster               a map of 16384 slots (cluster.py)
      └─ Node (node.py)          one server: connections, a budget of time, a breaker, a probe of its own
           └─ Wire (wire.py)     one connection: redis-py's, which knows TLS, AUTH and RESP

Three promises:
- No call takes longer than `timeout`, whatever the server does: connecting and waiting for a free connection are inside it.
- Every failure is RedisUnavailable with a word (troubles.py). While a server's breaker is open it is raised at once, without a wait.
- A connection whose exchange did not end as it should (cancelled, timed out, an answer that makes no sense) is never used again.

No visitor is the one who finds out whether Redis is back: a probe in the background does.

Why not redis-py's own clients: their pools hand on connections by three awaits and a lock, their retries and the cluster client's re-reading of
its map have no common budget (docs/redis.md has the figures). Its connections, parser and key slots are used.
"""

from gateway.redis_link.cluster import Cluster
from gateway.redis_link.link import RedisLink, StreamBounds
from gateway.redis_link.node import NodeRules
from gateway.redis_link.sentinels import SentinelMaster
from gateway.redis_link.topology import OneServer, Topology
from gateway.redis_link.troubles import Trouble
from gateway.redis_link.wire import Address, Credentials

__all__ = [
    "Address",
    "Cluster",
    "Credentials",
    "NodeRules",
    "OneServer",
    "RedisLink",
    "SentinelMaster",
    "StreamBounds",
    "Topology",
    "Trouble",
]
