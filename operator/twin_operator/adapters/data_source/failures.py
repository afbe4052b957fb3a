"""Why a file cannot be read, in sentences of our own: what store libraries raise goes to the log."""

import logging
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

import aiohttp

from twin_operator.adapters.data_source.address import RefusedAddressError
from twin_operator.adapters.data_source.local_file import IrregularFileError
from twin_operator.adapters.data_source.object_store import AmbiguousKeyError
from twin_operator.adapters.data_source.web_file import REDIRECTS, RedirectLimitError
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.reconciling.errors import Stalled

logger = logging.getLogger(__name__)
REFUSED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_UNREACHABLE: Final = "cannot be read: the workers cannot reach its server"
# The end of a sentence that begins with the address; the first that fits, so subclasses come before their bases.
CAUSES: Final[Mapping[type[BaseException], str]] = {
    RedirectLimitError: f"cannot be read: its server redirects more than {REDIRECTS} times",
    AmbiguousKeyError: "names another object to the library of its store: write a key without ?, # and a final /",
    IrregularFileError: "is a pipe, a socket or a device; write the address of a regular file",
    FileNotFoundError: "does not exist at the path that the worker reads",
    NotADirectoryError: "does not exist at the path that the worker reads",
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


@contextmanager
def reading(uri: str) -> Iterator[None]:
    """Say in a sentence of our own why a file cannot be read; the error of the store's library goes to the log."""
    try:
        yield
    except Stalled:
        raise
    except RefusedAddressError as error:
        raise Stalled(Reason.ADDRESS_NOT_ALLOWED, f"{uri} may not be read: {error}.") from error
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
