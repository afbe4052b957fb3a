"""Past experiments as files of every kind that a user has."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import os
import socket
import sys
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pyarrow as pa
import pyarrow.parquet as papq
import pytest
from fsspec import AbstractFileSystem
from fsspec.registry import _registry

from twin_operator.adapters.data_source import AllowedPrefix, FileDataSource
from twin_operator.services.reconciling.errors import Stalled
from twin_operator.services.runs.twin_spec import Part, Source

ROWS = "arm,code,age,reply\nA,007,41,1\nB,010,,0\nA,,38.5,1\n"
COLUMNS = {"arm": Part.LABEL, "code": Part.LABEL, "age": Part.NUMBER, "reply": Part.NUMBER}


def _parquet(path: Path) -> None:
    papq.write_table(
        pa.table(
            {
                "arm": pa.array(["A", "B", "A"]).dictionary_encode(),
                "code": ["007", "010", None],
                "age": pa.array([41.0, None, 38.5]),
                "reply": pa.array([1, 0, 1], pa.int8()),
                "unused": [1, 2, 3],
            }
        ),
        path,
    )


WRITERS: dict[str, Callable[[Path], Any]] = {
    "plain.csv": lambda path: path.write_text(ROWS),
    "marked.csv": lambda path: path.write_text(f"\ufeff\r\n\n{ROWS}", encoding="utf-8"),
    "packed.csv.gz": lambda path: path.write_bytes(gzip.compress(ROWS.encode())),
    "packed.csv.bz2": lambda path: path.write_bytes(bz2.compress(ROWS.encode())),
    "table.parquet": _parquet,
}


def allowing(*prefixes: str) -> FileDataSource:
    return FileDataSource([AllowedPrefix(prefix) for prefix in prefixes], "default")


def read(path: Path, **changes: Any) -> Any:
    source = {
        "uri": f"file://{path}",
        "format": None,
        "sha256": None,
        "columns": COLUMNS,
    }
    return allowing(f"file://{path.parent}/").read(Source(**{**source, **changes}))


@pytest.mark.parametrize("name", WRITERS)
def test_each_kind_of_file_gives_the_same_columns(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    WRITERS[name](path)
    table = read(path)
    assert table.rows == 3
    assert list(table.columns) == list(COLUMNS)
    assert table.columns["arm"].tolist() == ["A", "B", "A"]
    assert table.columns["code"].tolist() == ["007", "010", None]
    assert table.columns["age"][0] == 41
    assert table.columns["age"][1] != table.columns["age"][1]
    assert table.digest == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def test_the_format_may_be_said_where_the_name_does_not(tmp_path: Path) -> None:
    path = tmp_path / "experiment"
    _parquet(path)
    assert read(path, format="Parquet").rows == 3
    with pytest.raises(Stalled, match="is not CSV"):
        read(path, format="CSV")


@pytest.mark.parametrize(
    "uri", ["file:///etc/passwd", "file:///data/../etc/passwd", "http://127.0.0.1/x", "/etc/passwd"]
)
def test_an_address_outside_the_allow_list_is_not_opened(uri: str) -> None:
    with pytest.raises(Stalled) as refusal:
        allowing("file:///data/").read(Source(uri, None, None, COLUMNS))
    assert refusal.value.reason == "AddressNotAllowed"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "[::1]", "0.0.0.0"])  # noqa: S104 - refused
def test_what_is_near_is_read_only_where_it_is_listed_itself(host: str) -> None:
    source = Source(f"http://{host}:1/x.csv", None, None, COLUMNS)
    with pytest.raises(Stalled) as wide:
        allowing("http://", "https://").read(source)
    with pytest.raises(Stalled) as listed:
        allowing(f"http://{host}:1/").read(source)
    assert (wide.value.reason, listed.value.reason) == ("AddressNotAllowed", "DataNotReadable")


PAYMENTS = AllowedPrefix("file:///data/payments/", {"payments", "audit"})
GROWTH_TOO = AllowedPrefix("file:///data/payments/", {"growth"})
WIDE = AllowedPrefix("file:///data/")


@pytest.mark.parametrize(
    ("namespace", "allow", "uri", "reason"),
    [
        ("payments", [PAYMENTS], "file:///data/payments/x.csv", "DataNotReadable"),
        ("audit", [PAYMENTS], "file:///data/payments/x.csv", "DataNotReadable"),
        ("growth", [PAYMENTS], "file:///data/payments/x.csv", "AddressNotAllowed"),
        ("payments", [PAYMENTS], "file:///data/growth/x.csv", "AddressNotAllowed"),
        ("payments", [PAYMENTS, WIDE], "file:///data/payments/x.csv", "DataNotReadable"),
        ("growth", [PAYMENTS, WIDE], "file:///data/payments/x.csv", "AddressNotAllowed"),
        ("growth", [WIDE, PAYMENTS], "file:///data/growth/../payments/x.csv", "AddressNotAllowed"),
        ("growth", [WIDE, PAYMENTS], "file:///data/growth/x.csv", "DataNotReadable"),
        (
            "growth",
            [PAYMENTS, AllowedPrefix(PAYMENTS.prefix, {"growth"})],
            f"{PAYMENTS.prefix}x.csv",
            "DataNotReadable",
        ),
    ],
)
def test_a_prefix_is_limited_to_its_namespaces(
    namespace: str, allow: list[AllowedPrefix], uri: str, reason: str
) -> None:
    source, wanted = FileDataSource(allow, namespace), Source(uri, None, None, COLUMNS)
    with pytest.raises(Stalled) as refusal:
        source.read(wanted)
    assert refusal.value.reason == reason
    if reason == "AddressNotAllowed":
        with pytest.raises(Stalled, match="may not be read"):
            source.stamp(wanted)


def test_a_refusal_shows_neither_the_data_nor_the_prefixes_of_another_namespace(tmp_path: Path) -> None:
    path = tmp_path / "secret.csv"
    path.write_text(ROWS)
    limited = AllowedPrefix(f"file://{tmp_path}/", {"payments"})
    for uri in (f"file://{path}", "file:///elsewhere/x.csv"):
        with pytest.raises(Stalled) as refusal:
            FileDataSource([limited], "growth").read(Source(uri, None, None, {"no-such-column": Part.LABEL}))
        assert refusal.value.reason == "AddressNotAllowed"
        assert not any(word in refusal.value.message.replace(uri, "") for word in (str(tmp_path), "arm", "payments"))


def test_other_bytes_than_the_wanted_ones_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "plain.csv"
    path.write_text(ROWS)
    with pytest.raises(Stalled, match=r"spec\.data\.sha256 wants 00"):
        read(path, sha256="00")
    assert read(path, sha256=hashlib.sha256(ROWS.encode()).hexdigest().upper()).rows == 3


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"arm,code,age,reply\n", "has no rows"),
        (b"\x1f\x8b broken", "is not CSV compressed by gzip; the log of the worker has the details"),
        (b"arm,code,age,reply\nA,1,2,1\nA,1,2\nB\n", "row 3 has 3 columns, and row 1, the header, has 4"),
        (b"arm,code,age,reply\n\xff\xfe,1,2,1\n", "has a column arm whose text is not UTF-8; save the file as UTF-8"),
        (b"arm,code,age,reply,age\nA,1,2,1,3\n", "has more than one column age; rename the others"),
    ],
)
def test_a_file_without_a_table_is_named(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / ("broken.csv.gz" if content.startswith(b"\x1f") else "broken.csv")
    path.write_bytes(content)
    with pytest.raises(Stalled) as refusal:
        read(path)
    assert refusal.value.message.endswith(f"{sentence}.")
    assert refusal.value.reason == "DataInvalid"


def stamp(source: FileDataSource, uri: str) -> str | None:
    return source.stamp(Source(uri, None, None, COLUMNS))


def test_a_stamp_changes_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "plain.csv"
    path.write_text(ROWS)
    source, uri = allowing(f"file://{tmp_path}/"), f"file://{path}"
    first = stamp(source, uri)
    assert first is not None
    assert stamp(source, uri) == first
    os.utime(path, (1e9, 1e9))
    touched = stamp(source, uri)
    path.write_text(ROWS + ROWS)
    os.utime(path, (1e9, 1e9))
    assert len({first, touched, stamp(source, uri)}) == 3


def test_what_is_not_there_has_no_stamp_and_what_is_not_allowed_is_refused(tmp_path: Path) -> None:
    source = allowing(f"file://{tmp_path}/")
    assert stamp(source, f"file://{tmp_path}/nothing.csv") is None
    with pytest.raises(Stalled, match="may not be read"):
        stamp(source, "file:///etc/passwd")


class Store(BaseHTTPRequestHandler):
    """A web server with files that have an ETag or none, that are cut short, or that it refuses by a status code."""

    def do_HEAD(self) -> None:
        """Answer without a body; files are of 7 bytes."""
        _, kind, *_ = self.path.split("/")
        self.send_response(int(kind) if kind.isdigit() else HTTPStatus.OK)
        self.send_header("Content-Length", "0" if kind.isdigit() else "7")
        if kind.startswith("tagged"):
            self.send_header("ETag", f'"{self.path}"')
        self.end_headers()

    def do_GET(self) -> None:
        """Answer with the first bytes of the file."""
        self.do_HEAD()
        self.wfile.write(b"arm" if self.path.endswith("short") else b"")

    def log_message(self, *_args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def store() -> Iterator[str]:
    """Serve, and give the address of the folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
    thread = Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_etag_is_the_stamp_and_a_server_that_tells_nothing_gives_none(store: str) -> None:
    source = allowing(store)
    assert stamp(source, f"{store}tagged") == 'etag "/tagged"'
    assert stamp(source, f"{store}plain") is None
    assert len(stamp(source, f"{store}tagged{'x' * 300}") or "") == 64


class Broken(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """A store whose library raises an exception of its own."""

    protocol = "s3"

    class NoCredentials(Exception):  # noqa: N818 - named like those of the libraries
        """Neither an OSError nor a ValueError."""

    def info(self, path: str, **_options: Any) -> dict[str, Any]:
        """Fail."""
        raise self.NoCredentials(f"secret of {path}")

    def _open(self, path: str, *_args: Any, **_options: Any) -> Any:
        self.info(path)


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a library for s3 that fails, none for gs, and an account for abfs."""
    monkeypatch.setitem(_registry, "s3", Broken)
    monkeypatch.delitem(_registry, "gs", raising=False)
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    monkeypatch.setenv("AZURE_STORAGE_ANON", "true")


@pytest.mark.usefixtures("stores")
@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("{store}500/x.csv", "cannot be read: its server answers HTTP 500"),
        ("{store}403/x.csv", "cannot be read: its server answers HTTP 403; check the credentials of the workers"),
        ("{store}404/x.csv", "does not exist at the path that the worker reads"),
        ("{store}short", "cannot be read: its server closed the connection before the end"),
        ("http://127.0.0.1:9/x.csv", "cannot be read: the workers cannot reach its server"),
        ("http://no.invalid/x.csv", "cannot be read: the workers cannot reach its server"),
        ("gs://bucket/x.csv", "cannot be read: the image of the workers lacks the package for its protocol"),
        ("file:///", "is a folder; write the address of one file"),
        ("file://{folder}/pipe", "is a pipe, a socket or a device; write the address of a regular file"),
        ("file://{folder}/x.csv/y.csv", "does not exist at the path that the worker reads"),
        (
            "abfs://box/a?b#c",
            "names another object to the library of its store: write a key without ?, # and a final /",
        ),
        ("s3://bucket/x.csv", "cannot be read (NoCredentials); the log of the worker has the details"),
    ],
)
def test_a_store_that_fails_is_named_without_the_words_of_its_library(
    store: str, tmp_path: Path, address: str, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "x.csv").touch()
    os.mkfifo(tmp_path / "pipe")
    uri = address.format(store=store, folder=tmp_path)
    source = allowing(uri)
    with pytest.raises(Stalled) as refusal:
        source.read(Source(uri, None, None, COLUMNS))
    assert (refusal.value.reason, refusal.value.message) == ("DataNotReadable", f"{uri} {sentence}.")
    assert any(record.exc_info for record in caplog.records)
    if address != "{store}short":  # this has a stamp, and fails later
        assert stamp(source, uri) is None


def no_names(*_arguments: object, **_options: object) -> None:
    raise socket.gaierror(socket.EAI_NONAME, "unknown")


@pytest.mark.usefixtures("stores")
@pytest.mark.parametrize(
    "address",
    [
        "file:///data/" + "x/" * 900,
        "s3://b/x::file:///etc/passwd",
        "http://[/x.csv",
        "https://h/[x]?#::",
        "https://no.invalid/%",
        "gs://b/[",
        "abfs://b@c/[",
        "",
        "::",
        "file://",
        "http://" + "x" * 2000,
        "http://xn--/",
        "http://1.2.3.4.5/",
    ],
)
def test_no_address_raises_an_error_of_python(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", no_names)
    source = allowing("file:///", "s3://", "gs://", "abfs://", "http://", "https://")
    with pytest.raises(Stalled) as refusal:
        source.read(Source(address, "CSV", None, COLUMNS))
    assert refusal.value.reason in {"AddressNotAllowed", "DataNotReadable"}
    try:
        assert stamp(source, address) is None
    except Stalled as stalled:
        assert stalled.reason == "AddressNotAllowed"  # noqa: PT017 - either is right


@pytest.mark.usefixtures("stores")
@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("s3://growth/x.csv", "DataNotReadable"),
        ("s3://payments/x.csv", "AddressNotAllowed"),
        ("gs://growth/x.csv", "AddressNotAllowed"),
    ],
)
def test_an_object_outside_the_allow_list_is_not_asked_for(uri: str, reason: str) -> None:
    entries = [AllowedPrefix("s3://"), AllowedPrefix("s3://payments/", {"payments"})]
    with pytest.raises(Stalled) as refusal:
        FileDataSource(entries, "growth").read(Source(uri, None, None, COLUMNS))
    assert refusal.value.reason == reason


def test_links_are_followed_within_the_allow_list_and_not_out_of_it(tmp_path: Path) -> None:
    for name in ("data", "data/..2026_11_30", "secret"):
        (tmp_path / name).mkdir()
    for path in ("data/..2026_11_30/x.csv", "secret/x.csv"):
        (tmp_path / path).write_text(ROWS)
    (tmp_path / "data/..data").symlink_to("..2026_11_30")
    (tmp_path / "data/x.csv").symlink_to("..data/x.csv")
    (tmp_path / "data/out.csv").symlink_to(tmp_path / "secret/x.csv")
    (tmp_path / "data/sub").symlink_to("../secret")
    (tmp_path / "mounted").symlink_to("data")
    assert read(tmp_path / "data/x.csv").rows == 3
    assert read(tmp_path / "mounted/x.csv").rows == 3
    source = allowing(f"file://{tmp_path}/data/")
    for path in ("data/out.csv", "data/sub/x.csv", "data/sub/nothing.csv"):
        for action in (source.read, source.stamp):
            with pytest.raises(Stalled, match=r"x?\.csv may not be read: a symbolic link leads from it") as refusal:
                action(Source(f"file://{tmp_path}/{path}", None, None, COLUMNS))
            assert refusal.value.reason == "AddressNotAllowed"
            assert "secret" not in refusal.value.message
    assert allowing(f"file://{tmp_path}/data/", f"file://{tmp_path}/secret/").read(
        Source(f"file://{tmp_path}/data/out.csv", None, None, COLUMNS)
    )


@pytest.mark.parametrize("suffix", ["?", "#"])
def test_a_folder_with_a_query_in_its_name_does_not_lead_out(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"data/sub{suffix}").mkdir(parents=True)
    (tmp_path / "x.csv").write_text(ROWS)
    source = allowing(f"file://{tmp_path}/data/")
    for action in (source.read, source.stamp):
        with pytest.raises(Stalled) as refusal:
            action(Source(f"file://{tmp_path}/data/sub{suffix}/../../x.csv", None, None, COLUMNS))
        assert refusal.value.reason == "AddressNotAllowed"


@pytest.mark.parametrize(
    "name", ["a#b.parquet", "a?b.parquet", "a[1].parquet", "a::b.parquet", "%2e.parquet", "a;b.pq"]
)
def test_a_parquet_file_is_one_whatever_else_is_in_its_name(tmp_path: Path, name: str) -> None:
    _parquet(tmp_path / name)
    assert read(tmp_path / name).rows == 3
    assert stamp(allowing(f"file://{tmp_path}/"), f"file://{tmp_path}/{name}")


def test_a_stamp_is_what_earlier_releases_gave(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(ROWS)
    os.utime(path, (1e9, 1e9))
    assert stamp(allowing(f"file://{tmp_path}/"), f"file://{path}") == f"1000000000.0, {len(ROWS)} bytes"
