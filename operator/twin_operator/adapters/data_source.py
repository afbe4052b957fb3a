"""Past experiments as files: any address that fsspec opens, read once, checked against its digest."""

import hashlib
import ipaddress
import posixpath
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlsplit

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as papq

from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.reconciling.errors import Stalled
from twin_operator.services.runs.twin_spec import Source
from twin_operator.services.work.train import RawTable

CHUNK: Final = 1 << 20  # bytes a read: large enough for object stores, small enough for memory
IN_MEMORY: Final = 64 << 20  # bytes of a file that are kept in memory before it goes to disk
STAMP_LENGTH: Final = 256  # characters that status takes
# What file systems call these; the first that is there counts.
ETAGS: Final = ("ETag", "etag")
MODIFICATIONS: Final = ("mtime", "LastModified", "Last-Modified", "last_modified", "updated", "modified")
COMPRESSIONS: Final = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}


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
        """Return the file's ETag, or its modification time and size; None where its server tells neither.

        None also where the file cannot be reached: `read`, which follows, then says why.

        Raises:
            Stalled: `AddressNotAllowed`.
        """
        self._check_allowed(source.uri)
        try:
            files, path = fsspec.core.url_to_fs(source.uri)
            files.invalidate_cache(path)
            return _stamp(files.info(path))
        except (OSError, ValueError, ImportError, NotImplementedError):  # the last: a protocol without file information
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


def _fetch(uri: str, copy: IO[bytes]) -> str:
    digest = hashlib.sha256()
    try:
        with fsspec.open(uri, "rb") as remote:
            while chunk := remote.read(CHUNK):
                digest.update(chunk)
                copy.write(chunk)
    except FileNotFoundError as error:
        raise Stalled(Reason.DATA_NOT_READABLE, f"{uri} does not exist where the worker looks for it.") from error
    except (OSError, ValueError, ImportError) as error:
        raise Stalled(Reason.DATA_NOT_READABLE, f"{uri} cannot be read: {_sentence(error)}") from error
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
        if parquet:
            return _only(papq.read_table(pa.BufferReader(stream.read())), source)
        return _read_csv(stream, source)
    except pa.ArrowKeyError as error:
        raise Stalled(Reason.DATA_INVALID, f"{source.uri}: {_sentence(error)}") from error
    except (pa.ArrowInvalid, OSError, UnicodeDecodeError) as error:
        kind = "Parquet" if parquet else "CSV"
        raise Stalled(Reason.DATA_INVALID, f"{source.uri} is not {kind}: {_sentence(error)}") from error


def _read_csv(stream: Any, source: Source) -> pa.Table:  # noqa: ANN401 - pyarrow has no types
    content = pa.BufferReader(stream.read())
    convert = pacsv.ConvertOptions(
        column_types=dict.fromkeys(source.text_columns, pa.string()), strings_can_be_null=True
    )
    table = pacsv.read_csv(content, convert_options=convert)
    return _only(table, source)


def _only(table: pa.Table, source: Source) -> pa.Table:
    """Keep the columns that are asked for; the domain names those that are missing."""
    wanted = [name for name in source.columns if name in table.column_names]
    missing = [name for name in source.columns if name not in table.column_names]
    if missing:
        known = ", ".join(table.column_names[:20])
        raise Stalled(Reason.DATA_INVALID, f"{source.uri} has no column {missing[0]}; its columns are {known}.")
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


def _sentence(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:300]
