"""Addresses of Redis: what is read, and what is refused without being shown."""

import ssl
import traceback

import pytest

from workers_sdk.protocol.address import address_of
from workers_sdk.protocol.link import RedisLink


@pytest.mark.parametrize(
    ("url", "host", "port", "username", "password", "db"),
    [
        ("redis://", "localhost", 6379, "", "", 0),
        ("redis://host", "host", 6379, "", "", 0),
        ("redis://host/", "host", 6379, "", "", 0),
        ("redis://host:7000/3", "host", 7000, "", "", 3),
        ("redis://host?db=4", "host", 6379, "", "", 4),
        ("redis://:pass@host", "host", 6379, "", "pass", 0),
        ("redis://user:p%2F%40%3A%23%3F@host:1", "host", 1, "user", "p/@:#?", 0),
        ("redis://[::1]:7000", "::1", 7000, "", "", 0),
        ("redis://host?username=u&password=p", "host", 6379, "u", "p", 0),
    ],
)
def test_addresses_that_are_read(
    url: str, host: str, port: int, username: str, password: str, db: int
) -> None:
    found = address_of(url)

    assert (found.host, found.port, found.path, found.tls) == (host, port, "", None)
    assert (found.username, found.password, found.db) == (username, password, db)


def test_a_unix_socket_is_a_path() -> None:
    found = address_of("unix://user:pass@/tmp/a%20b.sock?db=2")

    assert (found.path, found.username, found.password, found.db) == ("/tmp/a b.sock", "user", "pass", 2)


def test_tls_looks_at_certificates_unless_told_otherwise() -> None:
    looks, does_not = address_of("rediss://host"), address_of("rediss://host?ssl_cert_reqs=none")

    assert looks.tls is not None and looks.tls.verify_mode is ssl.CERT_REQUIRED and looks.tls.check_hostname
    assert does_not.tls is not None and does_not.tls.verify_mode is ssl.CERT_NONE


@pytest.mark.parametrize(
    "url",
    [
        "S3cret",
        "http://S3cret@host",
        "redis://u:S3cret@host:port",
        "redis://u:S3cret@host:99999",
        "redis://u:S3cret/Pw@host",
        "redis://u:1/S3cret@host",
        "redis://u:1?S3cret@host",
        "redis://u:1#S3cret@host",
        "redis://u:S3cret@host/database",
        "redis://u:S3cret@host/1/2",
        "redis://u:S3cret@host?db=x",
        "redis://u:S3cret@host?socket_timeout=1",
        "redis://u:S3cret@host?ssl_cert_reqs=none",
        "rediss://u:S3cret@host?ssl_cert_reqs=maybe",
        "rediss://u:S3cret@host?ssl_colour=red",
        "rediss://u:S3cret@host?ssl_ca_certs=/nonexistent/S3cret.pem",
        "unix://u:S3cret@",
        "unix:///tmp/S3cret.sock?colour=red",
    ],
)
def test_an_address_that_cannot_be_read_is_not_shown(url: str) -> None:
    with pytest.raises(ValueError, match="cannot be read") as raised:
        RedisLink(url)

    shown = "".join(traceback.format_exception(raised.value))
    assert "S3cret" not in shown
    assert raised.value.__context__ is None or raised.value.__suppress_context__


def test_an_address_has_no_repr() -> None:
    assert "S3cret" not in repr(address_of("redis://:S3cret@host"))
