"""Addresses of files, parsed once into what is checked and what is opened. Nothing here opens anything."""

import posixpath
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from yarl import URL

WEB_SCHEMES: Final = ("http", "https")
# What names a bucket or container, for each scheme. The account of abfs in the only two forms that adlfs reads as one.
_AZURE: Final = re.compile(r"(?P<container>[a-z0-9$][a-z0-9-]*)(@[a-z0-9][a-z0-9.-]*\.(dfs|blob)\.core\.windows\.net)?")
_CONTAINERS: Final = {
    "s3": re.compile(r"(?P<container>[A-Za-z0-9][A-Za-z0-9._-]*|arn:aws[A-Za-z0-9:_-]*)"),
    "gs": re.compile(r"(?P<container>[A-Za-z0-9][A-Za-z0-9._-]*)"),
    "abfs": _AZURE,
    "abfss": _AZURE,
}
_VERSION: Final = re.compile(r"(\?version[Ii]d=[^/]*|\?generation=\d+|#\d+)$")  # as s3fs, adlfs and gcsfs take it
_HOST: Final = re.compile(r"[A-Za-z0-9._:-]+")  # of names and numbers, in the normal form
_SEPARATOR: Final = re.compile(r"[/\\]")
_FORMAT_SUFFIXES: Final = (".csv", ".csv.gz", ".parquet")  # those that admission derives a format from


class RefusedAddressError(Exception):
    """An address that is not opened whatever the allow list has; its text says why, after "may not be read:"."""


@dataclass(frozen=True)
class LocalAddress:
    """A file of the worker.

    Attributes:
        path: absolute and without `..`; every other character of it stands for itself.
    """

    path: str

    @property
    def text(self) -> str:
        """What prefixes of the allow list are compared with."""
        return f"file://{self.path}"

    @property
    def file_name(self) -> str:
        """What the file's suffix is taken from."""
        return self.path


@dataclass(frozen=True)
class ObjectAddress:
    """An object of a store; the store's endpoint is the installation's.

    Attributes:
        text: the whole address; every character of the key stands for itself.
        path: bucket or container, `/`, and the key.
    """

    text: str
    path: str

    @property
    def file_name(self) -> str:
        """What the file's suffix is taken from: the key without its version."""
        return _VERSION.sub("", self.path)


@dataclass(frozen=True)
class WebAddress:
    """A file of an http or https server.

    Attributes:
        url: as it is requested: percent-encoding and host names in their normal form, no `..`, no fragment.
    """

    url: URL

    @property
    def text(self) -> str:
        """The whole address in its normal form."""
        return str(self.url)

    @property
    def file_name(self) -> str:
        """What the file's suffix is taken from."""
        return self.url.path


Address = LocalAddress | ObjectAddress | WebAddress


def parse_address(uri: str) -> Address:
    """Return what `uri` names.

    Raises:
        RefusedAddressError: where it names no file, or not the same one to everybody who reads it.
    """
    scheme, _, rest = uri.partition("://")
    if scheme == "file":
        return _local(rest)
    if scheme in _CONTAINERS:
        return _object(scheme, rest)
    if scheme in WEB_SCHEMES:
        return _web(uri)
    schemes = ", ".join(["file", *_CONTAINERS, *WEB_SCHEMES])
    raise RefusedAddressError(f"its scheme must be one of {schemes}")


def name_with_format(uri: str, address: Address) -> str:
    """Return the name whose suffix says the format of a file: the address where admission takes it from there."""
    return uri if uri.endswith(_FORMAT_SUFFIXES) else address.file_name


def _local(rest: str) -> LocalAddress:
    if not rest.startswith("/") or "\0" in rest:
        raise RefusedAddressError("write the absolute path of a file after file://")
    return LocalAddress(posixpath.normpath("/" + rest.lstrip("/")))


def _object(scheme: str, rest: str) -> ObjectAddress:
    authority, _, key = rest.partition("/")
    match = _CONTAINERS[scheme].fullmatch(authority)
    if match is None:
        raise RefusedAddressError("write the name of one bucket or container between :// and the next /")
    if "::" in key:
        raise RefusedAddressError("write it without '::', chained file systems are not opened")
    if {".", ".."} & set(key.split("/")):  # some stores and their proxies take these for folders, others for names
        raise RefusedAddressError("write the key without '.' and '..'")
    return ObjectAddress(f"{scheme}://{rest}", f"{match['container']}/{key}")


def _web(uri: str) -> WebAddress:
    try:
        url = URL(uri).with_fragment(None)
    except ValueError as error:
        raise RefusedAddressError("its host or port is not valid") from error
    if not _HOST.fullmatch(url.raw_host or ""):
        raise RefusedAddressError("its host or port is not valid")
    if url.raw_user is not None or url.raw_password is not None:
        raise RefusedAddressError("write it without a user and a password")
    if _climbs(url.raw_path):
        raise RefusedAddressError("write its path without an encoded '..'")
    return WebAddress(url)


def _climbs(path: str) -> bool:
    """Whether `..` is in a path for a server that decodes it once more than we do, or takes a backslash for `/`."""
    while (decoded := unquote(path)) != path:
        path = decoded
    return any(segment.partition(";")[0] == ".." for segment in _SEPARATOR.split(path))
