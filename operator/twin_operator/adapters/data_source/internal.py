"""Which network addresses are internal: this machine, its link, its cluster and its cloud, not the internet."""

import ipaddress
import socket
from typing import Final

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# Further networks than those that the standard library's registry has as not global.
_INTERNAL: Final = (
    ipaddress.ip_network("168.63.129.16/32"),  # the host of an Azure machine
    ipaddress.ip_network("192.0.0.0/24"),  # protocol assignments, metadata of Oracle's cloud among them
    ipaddress.ip_network("fec0::/10"),  # site-local
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_LOW_32_BITS: Final = 0xFFFF_FFFF


def is_internal(address: IpAddress) -> bool:
    """Whether an address is loopback, link-local, private, shared, unspecified, multicast or reserved.

    An IPv6 address that holds an IPv4 address (mapped, 6to4, NAT64) is what that one is.
    """
    held = _held_ipv4(address)
    if held is not None:
        return is_internal(held)
    special = not address.is_global or address.is_multicast or address.is_reserved
    return special or any(address in network for network in _INTERNAL)


def numeric_address(host: str) -> IpAddress | None:
    """Return the address that a host writes in numbers, also as `inet_aton` reads them (`127.1`); None of a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def _held_ipv4(address: IpAddress) -> ipaddress.IPv4Address | None:
    if not isinstance(address, ipaddress.IPv6Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & _LOW_32_BITS)
    return address.ipv4_mapped or address.sixtofour
