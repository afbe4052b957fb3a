"""Past experiments as files: any address that fsspec opens, read once, checked against its digest."""

import hashlib
import ipaddress
import logging
import posixpath
import re
import socket
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlsplit

import aiohttp
import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as papq

from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.reconciling.errors import Stalled
from twin_operator.services.runs.twin_spec import Source
from twin_operator.services.work.train import RawTable

logger = logging.getLogger(__name__)
CHUNK: Final = 1 << 20  # bytes a read: large enough for object stores, small enough for memory
IN_MEMORY: Final = 64 << 20  # bytes of a file that are kept in memory before it goes to disk
STAMP_LENGTH: Final = 256  # characters that status takes
# What file systems call these; the first that is there counts.
ETAGS: Final = ("ETag", "etag")
MODIFICATIONS: Final = ("mtime", "LastModified", "Last-Modified", "last_modified", "updated", "modified")
COMPRESSIONS: Final = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}
UNEVEN_ROW: Final = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+)")  # as pyarrow words it
REFUSED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_UNREACHABLE: Final = "cannot be read: the workers cannot reach its server"
# The end of a sentence that begins with the address; the first that fits, so subclasses come before their bases.
CAUSES: Final[Mapping[type[BaseException], str]] = {
    FileNotFoundError: "does not exist where the worker looks for it",
    PermissionError: "cannot be read: the workers have no permission",
    IsADirectoryError: "is a folder; write the address of one file",
    aiohttp.ClientConnectionError: _UNREACHABLE,
    ConnectionError: _UNREACHABLE,
    TimeoutError: _UNREACHABLE,
    socket.gaierror: _UNREACHABLE,
    aiohttp.ClientPayloadError: "cannot be read: its server closed the connection before the end",
    ImportError: "cannot be read: the image of the workers lacks the package for its protocol",
    ValueError: "cannot be read; check its protocol, its host and the settings of its store",
}


@dataclass(frozen=True)
class AllowedPrefix:
    """Addresses that may be read: those that begin with `prefix`, such as `file:///data/`.

    Attributes:
        prefix: what the address begins with.
        namespaces: for whose TwinModels they may be read; None for those of every namespace.
    """

    prefix: str
    namespaces: Collection[str] | None = None

    def admits(self, namespace: str) -> bool:
        """Whether these addresses may be read for a TwinModel of `namespace`."""
        return self.namespaces is None or namespace in self.namespaces


@dataclass(frozen=True)
class FileDataSource:
    """Reads CSV (also compressed) and Parquet for the TwinModels of one namespace.

    Workers of all namespaces have the same credentials, so that the allow list is what keeps one namespace from the
    data of another.

    Args:
        allow: what may be read. Of several prefixes of an address the longest decides: a prefix that is limited to
            namespaces stays so next to a wider one that is not.
        namespace: of the TwinModels.
    """

    allow: Sequence[AllowedPrefix]
    namespace: str

    def read(self, source: Source) -> RawTable:
        """Return the columns of `source` that are asked for.

        Raises:
            Stalled: `AddressNotAllowed`, `DataNotReadable` or `DataInvalid`, with a sentence to act on.
        """
        self._check_allowed(source.uri)
        with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as copy:
            digest = _fetch(source.uri, copy)
            if source.sha256 and source.sha256.lower() != digest:
                raise Stalled(
                    Reason.DATA_INVALID, f"{source.uri} has sha256 {digest}, spec.data.sha256 wants {source.sha256}."
                )
            copy.seek(0)
            table = _parse(copy, source)
        return RawTable({name: _column(table[name]) for name in table.column_names}, f"sha256:{digest}", table.num_rows)

    def stamp(self, source: Source) -> str | None:
        """Return the file's ETag, or its modification time and size; None where its server reports neither.

        None also where the file cannot be reached: `read`, which follows, then says why.

        Raises:
            Stalled: `AddressNotAllowed`.
        """
        self._check_allowed(source.uri)
        try:
            with _reading(source.uri):
                files, path = fsspec.core.url_to_fs(source.uri)
                files.invalidate_cache(path)
                return _stamp(files.info(path))
        except Stalled:  # a server may serve a file and no facts about it
            return None

    def _check_allowed(self, uri: str) -> None:
        parts = urlsplit(uri)
        clean = posixpath.normpath(parts.path) if parts.path else ""
        normal = f"{parts.scheme}://{parts.netloc}{clean}"
        # A wide prefix such as https:// does not open what only this machine or its cloud can reach.
        near = _is_near(parts.hostname)
        entries = [entry for entry in self.allow if not near or urlsplit(entry.prefix).hostname == parts.hostname]
        fitting = [entry for entry in entries if normal.startswith(entry.prefix)]
        longest = max((len(entry.prefix) for entry in fitting), default=0)
        if not any(entry.admits(self.namespace) for entry in fitting if len(entry.prefix) == longest):
            raise Stalled(Reason.ADDRESS_NOT_ALLOWED, self._refusal(uri, limited=bool(fitting)))

    def _refusal(self, uri: str, *, limited: bool) -> str:
        """Return why an address may not be read; prefixes of other namespaces are not listed."""
        if limited:
            return f"{uri} may not be read in namespace {self.namespace}; data.allow limits it to other namespaces."
        allowed = ", ".join(entry.prefix for entry in self.allow if entry.admits(self.namespace))
        return f"{uri} may not be read; this installation allows {allowed or 'no address'}."


def _stamp(facts: Mapping[str, Any]) -> str | None:
    tag = next((facts[key] for key in ETAGS if facts.get(key)), None)
    changed = next((facts[key] for key in MODIFICATIONS if facts.get(key)), None)
    if tag is None and changed is None:
        return None
    stamp = f"etag {tag}" if tag else f"{changed}, {facts.get('size')} bytes"
    return stamp if len(stamp) <= STAMP_LENGTH else hashlib.sha256(stamp.encode()).hexdigest()


def _is_near(host: str | None) -> bool:
    """Whether a host is this machine or on its link, where clouds serve credentials; names are not looked up."""
    if host is None:
        return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_link_local or address.is_unspecified


@contextmanager
def _reading(uri: str) -> Iterator[None]:
    """Say in a sentence of our own why a file cannot be read; the error of the store's library goes to the log."""
    try:
        yield
    except Exception as error:  # fsspec passes on the exceptions of each store's library, which have no common base
        logger.warning("%s cannot be read.", uri, exc_info=error)
        raise Stalled(Reason.DATA_NOT_READABLE, f"{uri} {_why_unreadable(error)}.") from error


def _why_unreadable(error: BaseException) -> str:
    """Return the end of a sentence that begins with the address; what caused a store's error says more than it does."""
    return (
        _known_cause(error.__cause__)
        or _known_cause(error)
        or f"cannot be read ({type(error).__name__}); the log of the worker has the details"
    )


def _known_cause(error: BaseException | None) -> str | None:
    if isinstance(error, aiohttp.ClientResponseError) and error.status != HTTPStatus.NOT_FOUND:
        hint = "; check the credentials of the workers" if error.status in REFUSED else ""
        return f"cannot be read: its server answers HTTP {error.status}{hint}"
    return next((sentence for kind, sentence in CAUSES.items() if isinstance(error, kind)), None)


def _fetch(uri: str, copy: IO[bytes]) -> str:
    digest = hashlib.sha256()
    with _reading(uri), fsspec.open(uri, "rb") as remote:
        while chunk := remote.read(CHUNK):
            digest.update(chunk)
            copy.write(chunk)
    if copy.tell() == 0:
        raise Stalled(Reason.DATA_INVALID, f"{uri} is empty.")
    return digest.hexdigest()


def _parse(copy: IO[bytes], source: Source) -> pa.Table:
    path = Path(urlsplit(source.uri).path)
    compression = COMPRESSIONS.get(path.suffix)
    inner = path.with_suffix("") if compression else path
    parquet = source.format == "Parquet" or (source.format is None and inner.suffix in {".parquet", ".pq"})
    try:
        stream = pa.input_stream(copy, compression=compression) if compression else pa.PythonFile(copy, mode="r")
        content = pa.BufferReader(stream.read())
        table = papq.read_table(content) if parquet else _read_csv(content, source)
    except (pa.ArrowException, OSError, ValueError) as error:  # OSError: a compressed file that is cut short
        logger.warning("%s cannot be parsed.", source.uri, exc_info=error)
        kind = "Parquet" if parquet else "CSV"
        compressed = f" compressed by {compression}" if compression else ""
        raise Stalled(
            Reason.DATA_INVALID, f"{source.uri} is not {kind}{compressed}; the log of the worker has the details."
        ) from error
    return _only(table, source)


def _read_csv(content: pa.BufferReader, source: Source) -> pa.Table:
    convert = pacsv.ConvertOptions(
        column_types=dict.fromkeys(source.text_columns, pa.string()), strings_can_be_null=True
    )
    try:
        return pacsv.read_csv(content, convert_options=convert)
    except pa.ArrowInvalid:
        content.seek(0)
        _name_uneven_row(content, source.uri)
        raise


def _name_uneven_row(content: pa.BufferReader, uri: str) -> None:
    """Raise `Stalled` with the number, not the content, of the first row that is shorter or longer than the header."""
    try:
        pacsv.read_csv(content, read_options=pacsv.ReadOptions(use_threads=False))  # else rows have no numbers
    except pa.ArrowInvalid as error:
        # pyarrow's invalid_row_handler would need every row to be UTF-8.
        if found := UNEVEN_ROW.search(str(error)):
            row, header, columns = found.groups()
            raise Stalled(
                Reason.DATA_INVALID,
                f"{uri} is not CSV: row {row} has {columns} columns, and row 1, the header, has {header}.",
            ) from error


def _only(table: pa.Table, source: Source) -> pa.Table:
    """Keep the columns that are asked for; the domain names those that are missing."""
    names = table.column_names
    wanted = [name for name in source.columns if name in names]
    missing = [name for name in source.columns if name not in names]
    repeated = [name for name in wanted if names.count(name) > 1]
    if missing:
        known = ", ".join(names[:20])
        raise Stalled(Reason.DATA_INVALID, f"{source.uri} has no column {missing[0]}; its columns are {known}.")
    if repeated:
        raise Stalled(Reason.DATA_INVALID, f"{source.uri} has more than one column {repeated[0]}; rename the others.")
    if table.num_rows == 0:
        raise Stalled(Reason.DATA_INVALID, f"{source.uri} has no rows.")
    return table.select(wanted)


def _column(column: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return np.asarray(column.cast(pa.timestamp("us")).to_numpy())
    if pa.types.is_boolean(kind) and column.null_count == 0:
        return np.asarray(column.to_numpy())
    return np.asarray(column.to_pylist(), dtype=object)
