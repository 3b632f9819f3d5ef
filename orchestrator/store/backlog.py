"""How a server does, and what waits in it."""

from .records import ServerHealth
from .server import server_info
from .store import Store


async def health_of(store: Store) -> ServerHealth:
    """Server and backlog, in three round trips. Raises: Unavailable, Refused."""
    info = await server_info(store.link)
    streams = [stream for at in store.partitions for stream in (at.scenarios, at.task_events)]
    streams += [at.queue(service) for at, service in await store.queues()]
    lengths = await store.link.execute_many([("XLEN", stream) for stream in streams])
    backlog = dict(zip(streams, lengths, strict=True))
    return ServerHealth(info.server, info.version, store.partitions.count, backlog)
