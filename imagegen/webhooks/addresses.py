"""Which machines the server may speak to on somebody else's word: public ones, by the address that was
checked and by no other.

A URL that a caller hands in could name this machine, a router or a cloud's metadata service. So a name is
resolved once, every address it has must be public, and the connection goes to the address that was checked:
a name that changes its mind in between ("DNS rebinding") changes nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from imagegen.errors import InvalidRequest

MAX_URL = 2048
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_SPECIAL = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24")))
"""Protocol assignments and relays, which some versions of Python call global."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads: its parts, and one address that may be spoken to."""

    tls: bool
    host: str
    port: int
    path: str
    address: str


def check_url(url: str, *, private: bool) -> None:
    """Raises InvalidRequest(url) for what can never be delivered to: no https, a user in it, an address that
    is not public. A name that cannot be resolved now may be one later."""
    host = _parts(url, private)[1]
    try:
        addresses = _resolve(host)
    except OSError:
        return
    _refuse_private(host, addresses, private)


def target(url: str, *, private: bool) -> Target:
    """Resolves and checks. `private` lets http and addresses of this machine and its network through, which
    is the owner's setting. Raises InvalidRequest(url) and OSError (no such name)."""
    tls, host, port, path = _parts(url, private)
    addresses = _resolve(host)
    _refuse_private(host, addresses, private)
    return Target(tls, host, port, path, addresses[0])


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the internet at large, and not to this machine, its network or any
    special purpose; what an IPv6 address carries an IPv4 one for is judged by that."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip.teredo is not None:
            return False
    elif any(ip in network for network in _SPECIAL):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def _parts(url: str, private: bool) -> tuple[bool, str, int, str]:
    if len(url) > MAX_URL:
        raise _invalid(f"is longer than {MAX_URL} characters")
    if not url.isascii() or any(ord(letter) <= 32 or ord(letter) == 127 for letter in url):
        raise _invalid("must be ASCII without blanks (write other letters as %-escapes or punycode)")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _invalid("is no URL") from error
    if parts.scheme not in (("https", "http") if private else ("https",)):
        raise _invalid("must begin with https://")
    if not parts.hostname or parts.username is not None or parts.password is not None:
        raise _invalid("must name a host and no user")
    tls = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return tls, parts.hostname, port or (443 if tls else 80), path


def _resolve(host: str) -> list[str]:
    """Addresses of a name; also of 0x7f.1, 2130706433 and other spellings, as a connection would read
    them."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"{host!r} is no host name") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _refuse_private(host: str, addresses: list[str], private: bool) -> None:
    if not private and not all(is_public(address) for address in addresses):
        raise _invalid(
            f"{host} is not on the public internet",
            "the owner of the server may allow it with IMAGEGEN_PRIVATE_ADDRESSES=1",
        )


def _invalid(message: str, hint: str | None = None) -> InvalidRequest:
    return InvalidRequest(message, field="url", hint=hint)
