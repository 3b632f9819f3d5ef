"""Which key decides where a command goes in a cluster, and where a redirection leads."""

import pytest

from workers_sdk.protocol.address import address_of
from workers_sdk.protocol.cluster import Routes, key_of
from workers_sdk.protocol.link import Command, Refused, Unavailable
from workers_sdk.protocol.node import Manners


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (("GET", "k"), "k"),
        (("hset", b"k", "field", 1), b"k"),
        ((b"get", "k"), "k"),
        (("EVALSHA", "sha", 2, "k", "other", "argument"), "k"),
        (("EVAL", "text", "1", "k"), "k"),
        (("EVALSHA", "sha", 0, "argument"), None),
        (("XREADGROUP", "GROUP", "g", "c", "COUNT", 1, "BLOCK", 10, "STREAMS", "k", "other", ">", ">"), "k"),
        (("XREADGROUP", "GROUP", "streams", "STREAMS", "STREAMS", "k", ">"), "k"),
        (("xread", "streams", "k", "0"), "k"),
        (("XREAD", b"STREAMS", b"streams", b"0"), b"streams"),
        (("XGROUP", "CREATE", "k", "g", "0"), "k"),
        (("XINFO", "CONSUMERS", "k", "g"), "k"),
        (("XAUTOCLAIM", "k", "g", "c", 1, "0-0"), "k"),
        (("MGET", "k", "other"), "k"),
        (("CLIENT", "ID"), None),
        (("INFO", "commandstats"), None),
        (("SCRIPT", "FLUSH"), None),
        (("SCAN", "0"), None),
        (("SCAN", b"0", "MATCH", "*"), None),
        (("SCAN", b"0", "MATCH", "{p3}:*", "COUNT", 10), "{p3}:*"),
        (("PING",), None),
        (("RANDOMKEY",), None),
    ],
)
def test_the_key_of_a_command(command: Command, key: str | bytes | None) -> None:
    assert key_of(command) == key


async def test_redirections_lead_to_the_host_they_name_or_to_that_of_the_speaker() -> None:
    routes = Routes(address_of("redis://:S3cret@home:7000"), Manners(0, 1, ""))
    home = routes.node_of(("PING",))

    for text, host, port in (
        ("MOVED 1 other:1", "other", 1),
        ("ASK 1 ::1:2", "::1", 2),
        ("MOVED 1 :3", "home", 3),
    ):
        node = routes.told(Refused(text), home)
        assert (node.address.host, node.address.port, node.address.password) == (host, port, "S3cret")
        assert routes.told(Refused(text), home) is node


async def test_a_closed_link_makes_no_way_to_another_server() -> None:
    routes = Routes(address_of("redis://home"), Manners(0, 1, ""))
    home = routes.node_of(("PING",))
    await routes.close()

    with pytest.raises(Unavailable, match="closed"):
        routes.told(Refused("MOVED 1 other:1"), home)
