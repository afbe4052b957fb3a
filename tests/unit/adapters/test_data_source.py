"""Past experiments as files of every kind that a user has."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import os
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pyarrow as pa
import pyarrow.parquet as papq
import pytest

from twin_operator.adapters.data_source import AllowedPrefix, FileDataSource
from twin_operator.services.reconciling.errors import Stalled
from twin_operator.services.runs.twin_spec import Source

ROWS = "arm,code,age,reply\nA,007,41,1\nB,010,,0\nA,,38.5,1\n"
COLUMNS = ["arm", "code", "age", "reply"]


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
        "text_columns": ["arm", "code"],
    }
    return allowing(f"file://{path.parent}/").read(Source(**{**source, **changes}))


@pytest.mark.parametrize("name", WRITERS)
def test_each_kind_of_file_gives_the_same_columns(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    WRITERS[name](path)
    table = read(path)
    assert table.rows == 3
    assert list(table.columns) == COLUMNS
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
        allowing("file:///data/").read(Source(uri, None, None, COLUMNS, []))
    assert refusal.value.reason == "AddressNotAllowed"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "[::1]", "0.0.0.0"])  # noqa: S104 - refused
def test_what_is_near_is_read_only_where_it_is_listed_itself(host: str) -> None:
    source = Source(f"http://{host}:1/x.csv", None, None, COLUMNS, [])
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
    source, wanted = FileDataSource(allow, namespace), Source(uri, None, None, COLUMNS, [])
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
            FileDataSource([limited], "growth").read(Source(uri, None, None, ["no-such-column"], []))
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
    [(b"", "is empty"), (b"arm,code,age,reply\n", "has no rows"), (b"\x1f\x8b broken", "is not CSV")],
)
def test_a_file_without_a_table_is_named(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / ("broken.csv.gz" if content.startswith(b"\x1f") else "broken.csv")
    path.write_bytes(content)
    with pytest.raises(Stalled, match=sentence):
        read(path)


def stamp(source: FileDataSource, uri: str) -> str | None:
    return source.stamp(Source(uri, None, None, COLUMNS, []))


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


class Tagged(BaseHTTPRequestHandler):
    """A web server that knows the ETag of its file, or nothing at all."""

    def do_HEAD(self) -> None:
        """Answer without a body."""
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Length", "7")
        if self.path.startswith("/tagged"):
            self.send_header("ETag", f'"{self.path}"')
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        """Keep quiet."""


def test_an_etag_is_the_stamp_and_a_server_that_tells_nothing_gives_none() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Tagged)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        home = f"http://127.0.0.1:{server.server_port}/"
        source = allowing(home)
        assert stamp(source, f"{home}tagged") == 'etag "/tagged"'
        assert stamp(source, f"{home}plain") is None
        assert len(stamp(source, f"{home}tagged{'x' * 300}") or "") == 64
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
