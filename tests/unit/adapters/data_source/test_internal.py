"""Which network addresses are internal, in every form in which they can be written."""

import pytest

from twin_operator.adapters.data_source.internal import is_internal, numeric_address

INTERNAL = {
    "loopback": ["127.0.0.1", "127.255.0.1", "::1"],
    "loopback in other numbers": ["127.1", "0x7f000001", "0x7f.1", "0177.0.0.1", "2130706433"],
    "unspecified": ["0.0.0.0", "0.1.2.3", "0", "::"],  # noqa: S104 - nothing is bound
    "private": ["10.0.0.5", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fec0::1"],
    "link-local": ["169.254.169.254", "fe80::1", "fe80::1%eth0"],
    "metadata of clouds": ["100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254"],
    "carrier-grade NAT": ["100.64.0.1", "100.127.255.255"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1"],
    "reserved": ["198.18.0.1", "240.0.0.1", "255.255.255.255", "2001:db8::1", "::127.0.0.1"],
    "mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.5", "::ffff:7f00:1"],
    "translated": ["64:ff9b::10.0.0.5", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:5::"],
}
PUBLIC = {
    "IPv4": ["8.8.8.8", "172.32.0.1", "100.128.0.1", "192.0.1.1"],
    "IPv4 in other numbers": ["134744072", "0x08.8.8.8"],
    "IPv6": ["2606:4700::1111"],
    "mapped and translated": ["::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::"],
}


@pytest.mark.parametrize(
    ("host", "internal"),
    [(host, known is INTERNAL) for known in (INTERNAL, PUBLIC) for hosts in known.values() for host in hosts],
)
def test_an_address_is_judged_by_what_it_means(host: str, *, internal: bool) -> None:
    address = numeric_address(host)
    assert address is not None
    assert is_internal(address) is internal


@pytest.mark.parametrize("host", ["localhost", "example.com", "1.2.3.4.example", "", "0x7g", "1.2.3.4.5"])
def test_a_name_is_no_number(host: str) -> None:
    assert numeric_address(host) is None
