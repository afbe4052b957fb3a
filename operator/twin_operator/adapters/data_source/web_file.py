"""Opens a file of an http or https server. Each redirect is a request of its own, whose address is checked again."""

import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from ipaddress import IPv4Address
from typing import Final, Self

import aiohttp
from fsspec.asyn import get_loop, sync
from yarl import URL

from twin_operator.adapters.data_source.address import RefusedAddressError, WebAddress, parse_address
from twin_operator.adapters.data_source.internal import IpAddress, is_internal, numeric_address

REDIRECTS: Final = 5  # a download passes one or two: from a page to its storage
TIMEOUT: Final = aiohttp.ClientTimeout(total=3600, sock_connect=30, sock_read=60)  # seconds
_IDENTITY: Final = {"Accept-Encoding": "identity"}  # else size and digest would be those of a compressed copy
_REDIRECTED: Final = frozenset(
    {
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.FOUND,
        HTTPStatus.SEE_OTHER,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.PERMANENT_REDIRECT,
    }
)
_INTERNAL: Final = "host {host} is internal, and only an entry of data.allow that names the host opens it"
_NO_WEB_FILE: Final = "its server redirects it to an address that is not one of a file on a web server"
_UNKNOWN: Final = IPv4Address(0)  # for what the resolver gives and is no number: it is internal
_FACTS: Final = ("ETag", "Last-Modified")


class RedirectLimitError(Exception):
    """A server that redirects more than `REDIRECTS` times."""


Admit = Callable[[WebAddress], bool]
"""Returns whether the host of an address may be internal; raises where the address may not be requested at all."""


class WebFile:
    """A response whose body is read in pieces, from a thread without an event loop."""

    def __init__(self, session: aiohttp.ClientSession, response: aiohttp.ClientResponse) -> None:
        """Own both."""
        self._session = session
        self._response = response

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close the connection, whatever of the body was not read."""
        sync(get_loop(), _close, self._session, self._response)

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes; none at the end."""
        chunk: bytes = sync(get_loop(), self._response.content.read, size)
        return chunk


def open_web_file(address: WebAddress, admit: Admit) -> WebFile:
    """Return the open file.

    Args:
        address: of the first request.
        admit: called with the address of each request before it is sent.

    Raises:
        FileNotFoundError: where the server has no such file.
        RefusedAddressError: where a host is internal and may not be, or a redirect leads to no web server.
        RedirectLimitError: where it redirects too often.
        aiohttp.ClientError: where the server cannot be reached, or answers with an error.
    """
    session, response = sync(get_loop(), _followed, "GET", address, admit)
    return WebFile(session, response)


def web_file_facts(address: WebAddress, admit: Admit) -> Mapping[str, str]:
    """Return the ETag, time of modification and size that a server reports; raises as `open_web_file` does."""
    facts: Mapping[str, str] = sync(get_loop(), _facts, address, admit)
    return facts


async def _facts(address: WebAddress, admit: Admit) -> Mapping[str, str]:
    try:
        async with _response("HEAD", address, admit) as response:
            facts = _facts_of(response.headers)
    except (aiohttp.ClientError, OSError):  # some servers answer GET only
        facts = {}
    if "size" in facts:
        return facts
    async with _response("GET", address, admit) as response:
        return {**facts, **_facts_of(response.headers)}


def _facts_of(headers: Mapping[str, str]) -> dict[str, str]:
    facts = {name: headers[name] for name in _FACTS if name in headers}
    plain = headers.get("Content-Encoding", "") in {"", "identity"}
    return {**facts, "size": headers["Content-Length"]} if plain and "Content-Length" in headers else facts


@asynccontextmanager
async def _response(method: str, address: WebAddress, admit: Admit) -> AsyncIterator[aiohttp.ClientResponse]:
    session, response = await _followed(method, address, admit)
    try:
        yield response
    finally:
        await _close(session, response)


async def _close(session: aiohttp.ClientSession, response: aiohttp.ClientResponse) -> None:
    response.close()
    await session.close()


async def _followed(
    method: str, address: WebAddress, admit: Admit
) -> tuple[aiohttp.ClientSession, aiohttp.ClientResponse]:
    """Return the first response that is no redirect, and the session that it belongs to."""
    for _ in range(REDIRECTS + 1):
        session, response = await _requested(method, address, internal=admit(address))
        if response.status not in _REDIRECTED:
            await _check_status(session, response)
            return session, response
        await _close(session, response)
        address = _redirected(address, response.headers.get("Location", ""))
    raise RedirectLimitError


async def _requested(
    method: str, address: WebAddress, *, internal: bool
) -> tuple[aiohttp.ClientSession, aiohttp.ClientResponse]:
    host = address.url.raw_host or ""
    sockets = _Sockets(internal=internal)
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(socket_factory=sockets), timeout=TIMEOUT)
    try:
        sockets.check(numeric_address(host))  # aiohttp refuses some forms of numbers in words of its own
        return session, await session.request(method, address.url, allow_redirects=False, headers=_IDENTITY)
    except BaseException as error:
        await session.close()
        if sockets.refused:
            raise RefusedAddressError(_INTERNAL.format(host=host)) from error
        raise


class _Sockets:
    """Makes the sockets of a session: it sees each address that is connected to, after the name was resolved.

    Attributes:
        refused: whether one of them was internal and may not be.
    """

    def __init__(self, *, internal: bool) -> None:
        self._internal = internal
        self.refused = False

    def __call__(self, info: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, (host, *_port) = info
        self.check(numeric_address(str(host)) or _UNKNOWN)
        return socket.socket(family, kind, protocol)

    def check(self, address: IpAddress | None) -> None:
        if not self._internal and address is not None and is_internal(address):
            self.refused = True
            raise ConnectionRefusedError(f"{address} is internal")


async def _check_status(session: aiohttp.ClientSession, response: aiohttp.ClientResponse) -> None:
    if HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
        return
    await _close(session, response)
    if response.status == HTTPStatus.NOT_FOUND:
        raise FileNotFoundError(str(response.url))
    raise aiohttp.ClientResponseError(response.request_info, response.history, status=response.status)


def _redirected(address: WebAddress, location: str) -> WebAddress:
    try:
        target = parse_address(str(address.url.join(URL(location))))
    except (RefusedAddressError, ValueError) as error:
        raise RefusedAddressError(_NO_WEB_FILE) from error
    if not isinstance(target, WebAddress):
        raise RefusedAddressError(_NO_WEB_FILE)
    return target
