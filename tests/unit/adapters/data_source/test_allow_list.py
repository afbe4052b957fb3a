"""Which addresses a list allows, and which of them may be on an internal host."""

from pathlib import Path

import pytest

from twin_operator.adapters.data_source.address import WebAddress, parse_address
from twin_operator.adapters.data_source.allow_list import AllowedPrefix, AllowList
from twin_operator.services.reconciling.errors import Stalled


def allowing(*prefixes: str) -> AllowList:
    return AllowList([AllowedPrefix(prefix) for prefix in prefixes], "default")


def admits(allowed: AllowList, uri: str) -> bool:
    try:
        allowed.check(parse_address(uri), uri)
    except Stalled:
        return False
    return True


@pytest.mark.parametrize(
    ("prefix", "uri", "allowed"),
    [
        ("https://", "https://any.example/x.csv", True),
        ("https://", "http://any.example/x.csv", False),
        ("https://h.example", "https://h.example/x.csv", True),
        ("https://h.example", "https://h.example:8443/x.csv", True),
        ("https://h.example", "https://h.example.evil.example/x.csv", False),
        ("https://h.example:8443", "https://h.example:8443/x.csv", True),
        ("https://h.example:844", "https://h.example:8443/x.csv", False),
        ("https://h.example/", "https://h.example:443/x.csv", True),
        ("https://h.example/", "https://h.example:8443/x.csv", False),
        ("https://H.Example/a b/", "https://h.example/a%20b/x.csv", True),
        ("https://h.example/a/", "https://h.example/a/%2e%2e/b/x.csv", False),
        ("https://h.example/a/", "https://h.example/b/..//a/x.csv", False),
        ("https://h.example/a/", "https://h.example/b/../a/x.csv", True),
        ("https://h.example/get?name=", "https://h.example/get?name=x.csv", True),
        ("https://[", "https://h.example/x.csv", False),
        ("https:///", "https://h.example/x.csv", False),
        ("http", "http://h.example/x.csv", False),
        ("file:///data/", "file:///data/sub?/../../x.csv", False),
        ("file:///data/", "file:///data/sub#/../../x.csv", False),
        ("s3://payments/", "s3://payments/a/x.csv", True),
        ("s3://payments/", "s3://payments-archive/x.csv", False),
    ],
)
def test_a_prefix_is_compared_with_what_will_be_opened(prefix: str, uri: str, *, allowed: bool) -> None:
    assert admits(allowing(prefix), uri) is allowed


@pytest.mark.parametrize(
    ("prefixes", "internal"),
    [
        (["http://"], False),
        (["http://", "https://data.internal/"], False),
        (["http://data.internal"], True),
        (["http://data.internal/a/"], True),
        (["http://", "http://data.internal/a/"], True),
        (["http://", "http://data.internal/b/"], False),
        (["http://", "http://other.internal/a/"], False),
    ],
)
def test_only_an_entry_that_names_a_host_opens_an_internal_one(prefixes: list[str], *, internal: bool) -> None:
    address = parse_address("http://data.internal/a/x.csv")
    assert isinstance(address, WebAddress)
    assert allowing(*prefixes).opens_internal(address) is internal


def test_an_internal_host_is_opened_for_the_namespaces_that_its_entry_is_limited_to() -> None:
    entries = [AllowedPrefix("http://"), AllowedPrefix("http://data.internal/", {"payments"})]
    address = parse_address("http://data.internal/x.csv")
    assert isinstance(address, WebAddress)
    assert AllowList(entries, "payments").opens_internal(address)
    assert not AllowList(entries, "growth").opens_internal(address)


@pytest.mark.parametrize(
    ("prefix", "real", "allowed"),
    [
        ("volume/", "disk/x.csv", True),
        ("volume/", "disk-of-others/x.csv", False),
        ("volume", "disk/x.csv", True),
        ("volume", "disk-of-others/x.csv", False),
        ("vol", "volatile/x.csv", True),
        ("link.csv", "disk/x.csv", True),
        ("link.csv", "disk/y.csv", False),
    ],
)
def test_a_prefix_may_be_a_symbolic_link_itself(tmp_path: Path, prefix: str, real: str, *, allowed: bool) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk/x.csv").touch()
    (tmp_path / "volume").symlink_to("disk")
    (tmp_path / "link.csv").symlink_to("disk/x.csv")
    allow = allowing(f"file://{tmp_path}/{prefix}", "s3://", "https://")
    if allowed:
        allow.check_real_path(str(tmp_path / real), "x")
    else:
        with pytest.raises(Stalled, match="a symbolic link leads from it"):
            allow.check_real_path(str(tmp_path / real), "x")


def test_of_real_paths_too_the_longest_prefix_decides(tmp_path: Path) -> None:
    entries = [AllowedPrefix(f"file://{tmp_path}/"), AllowedPrefix(f"file://{tmp_path}/payments/", {"payments"})]
    AllowList(entries, "payments").check_real_path(f"{tmp_path}/payments/x.csv", "x")
    with pytest.raises(Stalled, match="symbolic link"):
        AllowList(entries, "growth").check_real_path(f"{tmp_path}/payments/x.csv", "x")
