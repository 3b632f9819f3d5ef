"""Where the server may send requests that others ask for: rules for a URL, its port, and the addresses of its host.

Whoever registers a URL would else make the server call what only the server can reach: its metadata service, its Redis, the
pages of its network. The host is resolved here, once, and the caller connects to an address that was looked at: a name
that resolves otherwise a moment later changes nothing.
"""

import asyncio
import ipaddress
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import httpx

MAX_URL_CHARS: Final = 2_000
RESOLVERS: Final = 16
"""Names that may be looked up at the same time; each takes a thread, for some ten seconds where a name server is silent."""

_PORTS: Final = (80, 443)
_FIRST_FREE_PORT: Final = 1_024
_OTHER_PROTOCOLS: Final = frozenset(
    (
        1433, 1521, 1719, 1720, 1723, 2049, 2181, 2375, 2376, 2379, 2380, 3306, 3389, 3659, 4045, 4190, 5060, 5061,
        5432, 5672, 5900, 6000, 6379, 6380, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 7000, 9042, 9092, 9200,
        9300, 10_080, 10_250, 11_211, 16_379, 26_379, 27_017,
    )
)  # fmt: skip
"""Ports above 1023 where something else than HTTP listens: databases, brokers, and what browsers refuse as well."""

_NOT_PUBLIC_V4: Final = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/3",
    )
)  # fmt: skip
"""Registers of special addresses of IANA, written down here: what `ipaddress` calls global differs between its versions."""
_PUBLIC_V6: Final = ipaddress.IPv6Network("2000::/3")
"""All that is given out. Outside lie loopback, link-local, unique local, multicast, IPv4-mapped and NAT64 addresses."""
_NOT_PUBLIC_V6: Final = tuple(
    ipaddress.IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
"""Within that: Teredo and other protocols, documentation, 6to4. The first and the last but one hold an IPv4 address."""


class NotAllowed(ValueError):
    """The server must not send there. The message is for whoever gave the URL and does not repeat it."""


class Unresolved(NotAllowed):
    """The host has no address, at least now."""


class Egress:
    """The rules.

    Args:
        allow_http: take http:// too.
        allow_private: take any address and any port: for tests, and where all who may register a URL are trusted.
    """

    def __init__(self, *, allow_http: bool = False, allow_private: bool = False) -> None:
        self._schemes = ("https", "http") if allow_http else ("https",)
        self._allow_private = allow_private
        self._resolvers = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="scenarist-resolver")

    def check(self, text: str) -> httpx.URL:
        """The URL, if its form is allowed; says nothing of the addresses of its host. Raises: NotAllowed."""
        if len(text) > MAX_URL_CHARS:
            raise NotAllowed(f"The URL is longer than {MAX_URL_CHARS} characters.")
        try:
            url = httpx.URL(text)
            host = url.host
        except (httpx.InvalidURL, UnicodeError):  # the host may be no name that IDNA knows
            raise NotAllowed("This is not a URL.") from None
        if url.scheme not in self._schemes:
            raise NotAllowed(f"The URL must begin with {' or '.join(f'{one}://' for one in self._schemes)}.")
        if not host:
            raise NotAllowed("The URL names no host.")
        if url.userinfo:
            raise NotAllowed("The URL must not hold a name or a password.")
        if url.fragment:
            raise NotAllowed("The URL must not have a fragment (#): it would never be sent.")
        self._check_port(url)
        return url

    async def addresses(self, url: httpx.URL) -> list[str]:
        """Addresses of the host of a checked URL, each of them allowed.

        Raises:
            Unresolved: it has none. NotAllowed: one of them, or more, is not public.
        """
        host, port = url.raw_host.decode("ascii"), url.port or 0
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._resolvers, _resolved, host, port)
        except (OSError, UnicodeError):
            raise Unresolved("The host of the URL has no address.") from None
        if not self._allow_private and not all(is_public(address) for address in found):
            raise NotAllowed("The host of the URL has an address that is not public.")
        return found

    def _check_port(self, url: httpx.URL) -> None:
        port = url.port
        if port is None:
            return
        if not 1 <= port <= 65_535:
            raise NotAllowed("The port of the URL is none.")
        if not self._allow_private and _is_foreign(port):
            raise NotAllowed(
                "The port of the URL is none for webhooks: 443, or one above 1023 that speaks HTTP."
            )


def _is_foreign(port: int) -> bool:
    return port not in _PORTS and (port < _FIRST_FREE_PORT or port in _OTHER_PROTOCOLS)


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet and is itself, not one that carries another."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if ip.version == 4:
        return not any(ip in network for network in _NOT_PUBLIC_V4)
    return ip.scope_id is None and ip in _PUBLIC_V6 and not any(ip in network for network in _NOT_PUBLIC_V6)


def _resolved(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(place[0]) for *_, place in found))
