"""Requests to MLflow's REST API: where it is, credentials, time limits, bounded connections, repetitions, errors.

What is requested is in `versions`.
"""

import asyncio
import random
import ssl
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import orjson

from twin_operator.services.reconciling.errors import RegistryFault, Unsafe
from twin_operator.services.runs.run import JSON

API: Final = "/api/2.0/mlflow/"
CONNECTIONS: Final = 8  # at a time: reads of a hundred twins after a restart, and no burden for a small server
CONNECT_SECONDS: Final = 5.0
ATTEMPTS: Final = 3  # of one request; every request may be repeated. After that its caller tries again later.
LONGEST_WAIT: Final = 2.0  # seconds between attempts
RETRIED: Final = frozenset({429, 502, 503, 504})
NOT_THERE: Final = "RESOURCE_DOES_NOT_EXIST"
BROKEN_OFF: Final = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)  # before or within the answer
INVALID: Final = "INVALID_PARAMETER_VALUE"  # of a read: a name or a number that no version can have


@dataclass(frozen=True)
class MlflowServer:
    """Where MLflow is, and what the operator shows to it: what the `mlflow` package reads from the environment.

    Attributes:
        tracking_uri: http or https, without user and password.
        username, password: for HTTP basic authentication.
        token: a bearer token, used without a user and password.
        workspace: of MLflow; empty for the server's default.
        authority: a file with the authorities that sign its certificate; empty: the system's.
        client_certificate: a file with the operator's own certificate and key; empty: none.
        insecure_tls: accept any certificate.
        timeout: seconds for one request.
    """

    tracking_uri: str = field(repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    workspace: str = ""
    authority: str = ""
    client_certificate: str = ""
    insecure_tls: bool = False
    timeout: float = 10.0

    def address(self) -> str:
        """Return the tracking URI; raise `Unsafe` where it is no address of a server."""
        parts = urlsplit(self.tracking_uri)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise Unsafe(
                "Set TWINOPS_MLFLOW_TRACKING_URI to the http or https address of an MLflow tracking server: "
                "the operator reads its registry over the REST API."
            )
        return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))

    def headers(self) -> dict[str, str]:
        """Return the headers of every request."""
        workspace = {"X-MLFLOW-WORKSPACE": self.workspace} if self.workspace else {}
        return {**self._authorization(), **workspace}

    def _authorization(self) -> dict[str, str]:
        if self.username and self.password:
            return {"Authorization": "Basic " + b64encode(f"{self.username}:{self.password}".encode()).decode()}
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def tls(self) -> ssl.SSLContext:
        """Return how certificates are checked; raise `Unsafe` where a file of theirs cannot be read."""
        try:
            context = ssl.create_default_context(cafile=self.authority or None)
            if self.client_certificate:
                context.load_cert_chain(self.client_certificate)
        except OSError:
            raise Unsafe(
                "Correct MLFLOW_TRACKING_SERVER_CERT_PATH and MLFLOW_TRACKING_CLIENT_CERT_PATH: "
                "one of them does not name a readable PEM file with certificates."
            ) from None
        if self.insecure_tls:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context


class _Refused(Exception):  # noqa: N818 - an answer
    """MLflow's answer to a request that it refused: the HTTP status and the code of its error."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.code = code


@dataclass
class MlflowApi:
    """Sends requests to MLflow.

    Args:
        server: where it is.
        before_write: awaited before each write; a leader that may have lost its Lease waits there.
    """

    server: MlflowServer
    before_write: Callable[[], Awaitable[None]]
    _session: aiohttp.ClientSession | None = None
    _random: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        self._address, self._tls = self.server.address(), self.server.tls()

    async def get(self, endpoint: str, request: str, part: str, **query: str) -> JSON:
        """Return a part of the answer to a read; raises like `file`, and where the answer has no such part."""
        return _an_object((await self.file(endpoint, request, **query)).get(part), request)

    async def file(self, endpoint: str, request: str, **query: str) -> JSON:
        """Return a JSON object that is read.

        Args:
            endpoint: within the REST API, or from the root of the server.
            request: what is requested, in words.
            query: its parameters.

        Raises:
            LookupError: there is no such thing.
            ConnectionError: MLflow did not answer, or refused. Neither has a text of the server.
        """
        return _an_object(await self._send("GET", endpoint, request, params=query), request)

    async def write(self, method: str, endpoint: str, request: str, **body: str) -> None:
        """Write, once the Lease is certain; raises like `get`."""
        await self._send(
            method, endpoint, request, data=orjson.dumps(body), headers={"Content-Type": "application/json"}
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _send(self, method: str, endpoint: str, request: str, **options: Any) -> object:  # noqa: ANN401 - aiohttp's
        try:
            return await self._attempts(method, endpoint, **options)
        except _Refused as refused:
            if refused.code == NOT_THERE or (method == "GET" and refused.code == INVALID):
                raise LookupError(f"MLflow cannot {request}: there is none") from None
            raise ConnectionError(RegistryFault.of_status(refused.status).sentence(request)) from None
        except TimeoutError:
            raise ConnectionError(RegistryFault.TIMEOUT.sentence(request)) from None
        except aiohttp.ClientSSLError:
            raise ConnectionError(RegistryFault.UNTRUSTED.sentence(request)) from None
        except BROKEN_OFF:
            raise ConnectionError(RegistryFault.UNREACHABLE.sentence(request)) from None
        except (aiohttp.ClientError, orjson.JSONDecodeError):
            raise ConnectionError(RegistryFault.UNEXPECTED.sentence(request)) from None

    async def _attempts(self, method: str, endpoint: str, **options: Any) -> object:  # noqa: ANN401
        for attempt in range(1, ATTEMPTS + 1):
            if method != "GET":
                await self.before_write()
            try:
                return await self._once(method, endpoint, **options)
            except _Refused as refused:
                if refused.status not in RETRIED or attempt == ATTEMPTS:
                    raise
            except BROKEN_OFF:
                if attempt == ATTEMPTS:
                    raise
            await asyncio.sleep(self._random.uniform(0, min(LONGEST_WAIT, 0.2 * 2**attempt)))
        raise AssertionError("the last attempt returns or raises")

    async def _once(self, method: str, endpoint: str, **options: Any) -> object:  # noqa: ANN401
        url = self._address + (endpoint if endpoint.startswith("/") else API + endpoint)
        async with self._open().request(method, url, **options) as answer:
            raw = await answer.read()
            if not answer.ok:
                raise _Refused(answer.status, _error_code(raw))
            return orjson.loads(raw)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=self._tls),
                headers=self.server.headers(),
                timeout=aiohttp.ClientTimeout(total=self.server.timeout, sock_connect=CONNECT_SECONDS),
                trust_env=True,  # a proxy, as the mlflow package has it
            )
        return self._session


def _an_object(content: object, request: str) -> JSON:
    if not isinstance(content, dict):
        raise ConnectionError(RegistryFault.UNEXPECTED.sentence(request))
    return content


def _error_code(raw: bytes) -> str:
    try:
        return str(orjson.loads(raw)["error_code"])
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return ""
