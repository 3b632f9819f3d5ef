"""Where Redis is, read from a URL, and how a socket to it is opened."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from redis.asyncio.connection import SSLConnection, parse_url
from redis.exceptions import RedisError

_OPTIONS: Final = ("db", "username", "password")
_TLS_OPTION: Final = "ssl_"
_UNREADABLE: Final = (
    "the address of Redis cannot be read: redis://user:password@host:6379/0, rediss:// for TLS or unix:///path, "
    "with special characters of a password percent-encoded; after ? it takes db, and for TLS the options ssl_* "
    "of redis-py (ssl_ca_certs, ssl_certfile, ssl_keyfile, ssl_cert_reqs, ...), whose files must be there"
)


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """One server and who we are there. Has no repr: that would show the password."""

    host: str
    port: int
    path: str
    tls: ssl.SSLContext | None
    username: str
    password: str
    db: int

    def beside(self, host: str, port: int) -> "Address":
        """Another server that is reached in the same way."""
        return replace(self, host=host, port=port, path="")

    async def connect(self, protocol: Callable[[], asyncio.BaseProtocol]) -> None:
        """Open a socket and give it to a protocol. Raises: OSError; ValueError for a host that is no host name."""
        loop = asyncio.get_running_loop()
        if self.path:
            await loop.create_unix_connection(protocol, self.path)
        else:
            await loop.create_connection(protocol, self.host, self.port, ssl=self.tls)


def address_of(url: str) -> Address:
    """Read an address.

    Raises:
        ValueError: it cannot be read; the message does not show it.
    """
    try:
        return _read(url)
    except (ValueError, TypeError, OSError, RedisError):
        # The cause would show parts of the address, and so of the password.
        raise ValueError(_UNREADABLE) from None


def _read(url: str) -> Address:
    _check(url)
    found: dict[str, Any] = {**parse_url(url)}
    return Address(
        host=found.get("host", "localhost"),
        port=found.get("port", 6379),
        path=found.get("path", ""),
        tls=_tls(found) if url.startswith("rediss:") else None,
        username=found.get("username", ""),
        password=found.get("password", ""),
        db=found.get("db", 0),
    )


def _check(url: str) -> None:
    """What redis-py passes over in silence. A `/`, `?` or `#` in a password ends the address early, for example."""
    parts = urlsplit(url)
    unix = parts.scheme == "unix"
    options = [name for name, _ in parse_qsl(parts.query, strict_parsing=True)] if parts.query else []
    secure = parts.scheme == "rediss"
    known = all(name in _OPTIONS or (secure and name.startswith(_TLS_OPTION)) for name in options)
    database = unix or parts.path in ("", "/") or parts.path[1:].isdecimal()
    if not known or not database or parts.fragment or (unix and not parts.path):
        raise ValueError("not an address")


def _tls(found: dict[str, Any]) -> ssl.SSLContext:
    options = {name: value for name, value in found.items() if name.startswith(_TLS_OPTION)}
    context: ssl.SSLContext = SSLConnection(**options).ssl_context.get()
    return context
