"""A check of the state at the end of a test."""

from orchestrator.store.fsck import Fsck
from orchestrator.store.fsck_records import Report
from orchestrator.store.store import Policy, Store
from tests.support.scripts import CLOCK, virtual_scripts
from workers_sdk.protocol.keys import META, Partitions
from workers_sdk.protocol.link import Link


async def checked(link: Link) -> Report:
    """What a check finds on a server, with however many partitions and under whichever clock it was used."""
    count = int(await link.execute("HGET", META, "partitions") or 1)
    virtual = await link.execute("EXISTS", CLOCK)
    store = Store(link, Partitions(count), Policy(), scripts=virtual_scripts() if virtual else None)
    return await Fsck(store, settle_s=0.05).run()
