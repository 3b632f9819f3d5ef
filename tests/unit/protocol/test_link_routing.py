"""Which key decides where a command goes in a cluster."""

import pytest

from workers_sdk.protocol.cluster import key_of
from workers_sdk.protocol.link import Command


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
        (("PING",), None),
        (("RANDOMKEY",), None),
    ],
)
def test_the_key_of_a_command(command: Command, key: str | bytes | None) -> None:
    assert key_of(command) == key
