"""Which addresses a plugin may be connected to, and how a name becomes addresses.

Python's own `is_global` and `is_private` answer another question, and differ from version to version: for some releases
64:ff9b::7f00:1 and 2002:7f00:1:: are global, which are other spellings of 127.0.0.1. So this module has its own table.
An IPv6 address that carries an IPv4 address is public where that address is. It is refused where only a tunnel reaches
it.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Address = IPv4Address | IPv6Address

MOST_ADDRESSES: Final = 16
"""Of those that a resolver names, these many are looked at and tried."""

_NOT_PUBLIC_4: Final = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # this network; 0.0.0.0 reaches the machine itself
        "10.0.0.0/8",
        "100.64.0.0/10",  # behind a carrier's NAT; clouds have services here, too
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's platform service on a public number
        "169.254.0.0/16",  # link-local, where clouds hand out credentials
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",  # relays into 6to4
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
_PUBLIC_6: Final = IPv6Network("2000::/3")
_NOT_PUBLIC_6: Final = tuple(
    IPv6Network(block)
    for block in (
        "2001::/23",  # protocols' own, Teredo tunnels among them
        "2001:db8::/32",
        "2002::/16",  # 6to4 tunnels, which carry any IPv4 address
        "2620:4f:8000::/48",
        "3ffe::/16",
        "3fff::/20",
    )
)
_NAT64: Final = IPv6Network("64:ff9b::/96")
_ISATAP: Final = (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")
_NEVER: Final = tuple(map(IPv4Network, ("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4")))


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet, also where it is written inside another address.

    Examples
    --------
    >>> [is_public(ip_address(text)) for text in ("1.1.1.1", "127.0.0.1", "::ffff:1.1.1.1", "64:ff9b::7f00:1")]
    [True, False, True, False]
    """
    if isinstance(address, IPv4Address):
        return not any(address in block for block in _NOT_PUBLIC_4)
    carried = _carried(address)
    if carried is not None and not is_public(carried):
        return False
    if address.ipv4_mapped is not None or address in _NAT64:
        return True
    return address in _PUBLIC_6 and not any(address in block for block in _NOT_PUBLIC_6)


def is_one_host(address: Address) -> bool:
    """Whether an address names exactly one host: 0.0.0.0 and :: name none, multicast and broadcast many."""
    if isinstance(address, IPv6Address):
        carried = _carried(address)
        return not (address.is_multicast or address.is_unspecified) and (carried is None or is_one_host(carried))
    return not any(address in block for block in _NEVER)


def is_own(address: Address) -> bool:
    """Whether an address is one of this machine's, a public one included.

    To connect a datagram socket sends nothing: the system only chooses the address that it would send from. Towards
    an address of this machine it chooses that address itself.
    """
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))
            return ip_address(probe.getsockname()[0].partition("%")[0]) == address
    except OSError:  # no way leads there
        return False


def resolve(host: str, port: int) -> list[Address]:
    """The addresses of a host, as the system finds them. It can take as long as name servers do.

    Raises
    ------
    OSError
        The host has none, or no name server answers.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    numbers = [ip_address(str(sockaddr[0]).partition("%")[0]) for *_, sockaddr in found]
    return list(dict.fromkeys(numbers))


def _carried(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for, or leads to."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64 or address.packed[8:12] in _ISATAP:
        return IPv4Address(address.packed[12:])
    return None
