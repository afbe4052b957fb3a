"""Reads past experiments: an address once, checked against its digest, or only what says that it changed."""

import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import IO, Any, Final, Protocol

from twin_operator.adapters.data_source.address import (
    Address,
    LocalAddress,
    ObjectAddress,
    WebAddress,
    name_with_format,
    parse_address,
)
from twin_operator.adapters.data_source.allow_list import AllowedPrefix, AllowList
from twin_operator.adapters.data_source.column_values import column_values
from twin_operator.adapters.data_source.failures import reading
from twin_operator.adapters.data_source.local_file import open_regular_file
from twin_operator.adapters.data_source.object_store import object_facts, open_object
from twin_operator.adapters.data_source.table import parse_table
from twin_operator.adapters.data_source.web_file import open_web_file, web_file_facts
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


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class FileDataSource:
    """Reads CSV (also compressed) and Parquet for the TwinModels of one namespace.

    Workers of all namespaces have the same credentials, so that the allow list is what keeps one namespace from the
    data of another.

    Args:
        allow: what may be read.
        namespace: of the TwinModels.
    """

    allow: Sequence[AllowedPrefix]
    namespace: str

    def read(self, source: Source) -> RawTable:
        """Return the columns of `source` that are asked for.

        Raises:
            Stalled: `AddressNotAllowed`, `DataNotReadable` or `DataInvalid`, with a sentence to act on.
        """
        with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as copy:
            with reading(source.uri):
                address = self._checked(source.uri)
                digest = _copy(self._opened(address, source.uri), copy)
            _check_content(copy, digest, source)
            copy.seek(0)
            table = parse_table(copy, source, name_with_format(source.uri, address))
        columns = {name: column_values(table[name], name, source) for name in table.column_names}
        return RawTable(columns, f"sha256:{digest}", table.num_rows)

    def stamp(self, source: Source) -> str | None:
        """Return the file's ETag, or its modification time and size; None where its server reports neither.

        None also where the file cannot be reached: `read`, which follows, then says why.

        Raises:
            Stalled: `AddressNotAllowed`.
        """
        try:
            with reading(source.uri):
                return _stamp(self._facts(self._checked(source.uri), source.uri))
        except Stalled as stalled:  # a server may serve a file and no facts about it
            if stalled.reason is Reason.DATA_NOT_READABLE:
                return None
            raise

    @property
    def _allowed(self) -> AllowList:
        return AllowList(self.allow, self.namespace)

    def _checked(self, uri: str) -> Address:
        address = parse_address(uri)
        self._allowed.check(address, uri)
        return address

    def _opened(self, address: Address, uri: str) -> AbstractContextManager[_Readable]:
        match address:
            case LocalAddress():
                return self._open_local(address, uri)
            case ObjectAddress():
                return open_object(address)
            case WebAddress():
                return open_web_file(address, partial(self._admit, uri, address))

    def _facts(self, address: Address, uri: str) -> Mapping[str, Any]:
        match address:
            case LocalAddress():
                with self._open_local(address, uri) as file:
                    status = os.fstat(file.fileno())
                return {"mtime": status.st_mtime, "size": status.st_size}
            case ObjectAddress():
                return object_facts(address)
            case WebAddress():
                return web_file_facts(address, partial(self._admit, uri, address))

    def _open_local(self, address: LocalAddress, uri: str) -> IO[bytes]:
        return open_regular_file(address.path, partial(self._allowed.check_real_path, subject=uri))

    def _admit(self, uri: str, first: WebAddress, request: WebAddress) -> bool:
        """Check the address of a request, which is the first or one that a server redirects to."""
        redirected = "" if request == first else f", which its server redirects to {request.url.raw_host},"
        self._allowed.check(request, f"{uri}{redirected}")
        return self._allowed.opens_internal(request)


def _copy(opened: AbstractContextManager[_Readable], copy: IO[bytes]) -> str:
    digest = hashlib.sha256()
    with opened as remote:
        while chunk := remote.read(CHUNK):
            digest.update(chunk)
            copy.write(chunk)
    return digest.hexdigest()


def _check_content(copy: IO[bytes], digest: str, source: Source) -> None:
    if copy.tell() == 0:
        raise Stalled(Reason.DATA_INVALID, f"{source.uri} is empty.")
    if source.sha256 and source.sha256.lower() != digest:
        raise Stalled(Reason.DATA_INVALID, f"{source.uri} has sha256 {digest}, spec.data.sha256 wants {source.sha256}.")


def _stamp(facts: Mapping[str, Any]) -> str | None:
    tag = next((facts[key] for key in ETAGS if facts.get(key)), None)
    changed = next((facts[key] for key in MODIFICATIONS if facts.get(key)), None)
    if tag is None and changed is None:
        return None
    stamp = f"etag {tag}" if tag else f"{changed}, {facts.get('size')} bytes"
    return stamp if len(stamp) <= STAMP_LENGTH else hashlib.sha256(stamp.encode()).hexdigest()
