"""Files of web servers: what is requested, of which hosts, and where redirects lead."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.unit.adapters.data_source.web_server import ROWS, Site, serving
from twin_operator.adapters.data_source import AllowedPrefix, FileDataSource
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.reconciling.errors import Stalled
from twin_operator.services.runs.twin_spec import Part, Source

REFUSED, UNREADABLE = Reason.ADDRESS_NOT_ALLOWED, Reason.DATA_NOT_READABLE


@pytest.fixture
def site() -> Iterator[Site]:
    """Serve two files, one of which is allowed in each test."""
    with serving() as site:
        site.files = {"/allowed/x.csv": ROWS, "/secret/x.csv": ROWS}
        yield site


def allowing(*prefixes: str) -> FileDataSource:
    return FileDataSource([AllowedPrefix(prefix) for prefix in prefixes], "default")


def read(source: FileDataSource, uri: str) -> str:
    source.read(Source(uri, "CSV", None, {"arm": Part.LABEL, "reply": Part.NUMBER}))
    return "read"


def stamp(source: FileDataSource, uri: str) -> str | None:
    return source.stamp(Source(uri, "CSV", None, {"arm": Part.LABEL}))


def refusal(action: Callable[[FileDataSource, str], Any], source: FileDataSource, uri: str) -> Stalled:
    with pytest.raises(Stalled) as refused:
        action(source, uri)
    return refused.value


ACTIONS = pytest.mark.parametrize("action", [read, stamp])


@pytest.mark.parametrize(
    "path", ["%2e%2e/secret/x.csv", "../secret/x.csv", "%252e%252e/secret/x.csv", "..%2fsecret/x.csv"]
)
@ACTIONS
def test_dots_in_any_encoding_do_not_leave_the_allow_list(
    site: Site, action: Callable[[FileDataSource, str], Any], path: str
) -> None:
    allowed = f"{site.address}allowed/"
    assert refusal(action, allowing(allowed), allowed + path).reason is REFUSED
    assert site.requests == []


def test_a_query_is_sent_and_a_fragment_is_not(site: Site) -> None:
    assert read(allowing(site.address), f"{site.address}allowed/x.csv?v=1#part") == "read"
    assert site.requests == [f"GET 127.0.0.1:{site.port} /allowed/x.csv?v=1"]


@pytest.mark.parametrize("head", [True, False])
def test_redirects_within_the_allow_list_are_followed(site: Site, *, head: bool) -> None:
    site.head = head
    site.redirects = {"/latest": "/allowed/older", "/allowed/older": f"{site.address}allowed/x.csv"}
    assert read(allowing(site.address), f"{site.address}latest") == "read"
    assert stamp(allowing(site.address), f"{site.address}latest") == 'etag "/allowed/x.csv"'


@pytest.mark.parametrize(
    "target",
    [
        "/secret/x.csv",
        "../secret/x.csv",
        "%2e%2e/secret/x.csv",
        "%252e%252e/secret/x.csv",
        "http://localhost:{port}/allowed/x.csv",
        "http://127.1:{port}/allowed/x.csv",
        "http://user@127.0.0.1:{port}/allowed/x.csv",
        "https://127.0.0.1:{port}/allowed/x.csv",
        "//localhost:{port}/allowed/x.csv",
        "file:///etc/passwd",
        "s3://bucket/x.csv",
        "http://[",
        "http://h:9x/",
        "data:text/csv,a",
    ],
)
@ACTIONS
def test_each_redirect_is_checked_before_it_is_requested(
    site: Site, action: Callable[[FileDataSource, str], Any], target: str
) -> None:
    site.redirects = {"/allowed/moved": target.format(port=site.port)}
    allowed = f"{site.address}allowed/"
    refused = refusal(action, allowing(allowed, "file:///", "s3://"), f"{allowed}moved")
    assert refused.reason is REFUSED
    assert "its server redirects" in refused.message, "not for the network that the host is on"
    assert {request.split()[2] for request in site.requests} == {"/allowed/moved"}


@ACTIONS
def test_a_redirect_to_an_internal_host_is_refused_where_only_the_scheme_is_listed(
    site: Site, action: Callable[[FileDataSource, str], Any]
) -> None:
    site.redirects = {"/allowed/moved": f"http://localhost:{site.port}/allowed/x.csv"}
    refused = refusal(action, allowing(site.address, "http://"), f"{site.address}allowed/moved")
    assert refused.message.endswith(
        "may not be read: host localhost is internal, and only an entry of data.allow that names the host opens it."
    )
    assert len(site.requests) == 1


def test_a_stamp_is_asked_for_without_the_file(site: Site) -> None:
    assert stamp(allowing(site.address), f"{site.address}allowed/x.csv") == 'etag "/allowed/x.csv"'
    assert site.requests == [f"HEAD 127.0.0.1:{site.port} /allowed/x.csv"]
    assert site.encodings == ["identity"]


def test_the_size_of_a_compressed_copy_is_not_that_of_the_file(site: Site) -> None:
    site.headers = {"Last-Modified": "Monday", "Content-Encoding": "identity"}
    assert stamp(allowing(site.address), f"{site.address}allowed/x.csv") == f"Monday, {len(ROWS)} bytes"
    site.headers["Content-Encoding"] = "gzip"
    assert stamp(allowing(site.address), f"{site.address}allowed/x.csv") == "Monday, None bytes"


def test_redirects_are_limited(site: Site) -> None:
    site.redirects = {f"/{number}": f"/{number + 1}" for number in range(9)} | {"/9": "/allowed/x.csv"}
    assert read(allowing(site.address), f"{site.address}5") == "read"
    refused = refusal(read, allowing(site.address), f"{site.address}4")
    assert (refused.reason, refused.message) == (
        UNREADABLE,
        f"{site.address}4 cannot be read: its server redirects more than 5 times.",
    )
    assert stamp(allowing(site.address), f"{site.address}4") is None


LOOPBACK = ["127.0.0.1", "localhost", "LOCALHOST", "127.1", "0x7f000001", "0x7f.1", "2130706433", "0177.0.0.1", "0"]
FORMS = [*LOOPBACK, "①27.0.0.1", "127。0。0。1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]"]
NETWORKS = ["10.0.0.5", "172.16.0.1", "192.168.0.1", "100.64.0.1", "169.254.169.254", "0.0.0.0", "[fd00::1]"]  # noqa: S104


@pytest.mark.parametrize("host", [*FORMS, *NETWORKS])
@ACTIONS
def test_internal_hosts_are_not_requested_where_only_the_scheme_is_listed(
    site: Site, action: Callable[[FileDataSource, str], Any], host: str
) -> None:
    uri = f"http://{host}:{site.port}/allowed/x.csv"
    assert refusal(action, allowing("http://", "https://"), uri).reason is REFUSED
    assert site.requests == []


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Resolve names as given here, and no others."""
    known: dict[str, list[str]] = {}

    def resolve(host: str, port: int, *_args: Any, **_options: Any) -> list[Any]:
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in known[host]
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["10.0.0.5"], ["169.254.169.254"], ["fd00::1"], ["::1", "127.0.0.1"]]
)
@ACTIONS
def test_a_name_is_judged_by_the_address_that_is_connected_to(
    site: Site, names: dict[str, list[str]], action: Callable[[FileDataSource, str], Any], addresses: list[str]
) -> None:
    names["data.example"] = addresses
    refused = refusal(action, allowing("http://"), f"http://data.example:{site.port}/allowed/x.csv")
    assert refused.reason is REFUSED
    assert "host data.example is internal" in refused.message
    assert site.requests == []


def test_an_internal_host_is_read_where_an_entry_names_it(site: Site, names: dict[str, list[str]]) -> None:
    names["data.example"] = ["127.0.0.1"]
    uri = f"http://data.example:{site.port}/allowed/x.csv"
    assert read(allowing("http://", f"http://data.example:{site.port}/allowed/"), uri) == "read"
    assert site.requests == [f"GET data.example:{site.port} /allowed/x.csv"]


def test_a_name_that_nobody_knows_is_not_readable(names: dict[str, list[str]]) -> None:
    assert not names
    assert refusal(read, allowing("http://"), "http://data.example/x.csv").reason is UNREADABLE
