"""The Kubernetes API over one bounded HTTP session: custom resources and their status, Deployments, Events.

The official client supplies configuration and credentials; requests are plain JSON, since the client's
models cost four times the CPU of a request on the hot path.
"""

import asyncio
import random
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib import metadata
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import orjson
from kubernetes.aio import config
from kubernetes.aio.client import Configuration

JSON = dict[str, Any]
OWN: Final[Mapping[str, str]] = {"fieldManager": "twin-operator"}  # of every write, unless a caller names another one
AGENT: Final[Mapping[str, str]] = {"User-Agent": f"twin-operator/{metadata.version('twin-operator')}"}
"""Of every request, for the audit log of the API server."""
CONNECTIONS: Final = 16  # in parallel; more brought nothing when measured
ATTEMPTS: Final = 8  # of a request that the server could not take: about a minute with the waits below
LONGEST_WAIT: Final = 15.0  # seconds between two attempts
TIMEOUT: Final = aiohttp.ClientTimeout(total=60, connect=10)  # seconds
PAGE: Final = 500  # objects a list request
RETRIED: Final = frozenset({429, 500, 502, 503, 504})
RETRIED_APPLY: Final = RETRIED - {500}  # server-side apply answers 500 for ever to a body that does not fit the schema
MERGE_PATCH: Final = "application/merge-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"
TABLE: Final = "application/json;as=Table;v=v1;g=meta.k8s.io"
WATCH_SECONDS: Final = 300  # until the API server ends a watch; the next one resumes at its resource version
READ_BYTES: Final = 1 << 16
NAME: Final = re.compile(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?")  # of namespaces and of the kinds that are used here
NAME_LIMIT: Final = 253  # characters


class ApiError(Exception):
    """The API server refused a request.

    Args:
        status: the HTTP status.
        message: the server's sentence.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


def segment(name: str) -> str:
    """Return the name of an object or a namespace as a part of a path.

    Raises:
        ApiError: no object can have this name (404): a path with it would be another one.
    """
    if len(name) > NAME_LIMIT or not NAME.fullmatch(name):
        raise ApiError(HTTPStatus.NOT_FOUND, "No object has a name like this.")
    return quote(name, safe="")


async def load_configuration() -> Configuration:
    """Return how to reach the API server: the Pod's service account, else the user's kubeconfig."""
    settings = Configuration()
    settings.disable_strict_ssl_verification = True  # as in KubernetesApi, for the election of the leader
    try:
        config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
    except config.ConfigException:
        await config.load_kube_config(client_configuration=settings)  # type: ignore[no-untyped-call]
    return settings


@dataclass
class KubernetesApi:
    """Requests against the API server.

    Args:
        configuration: address and credentials.
        retried: called with method and HTTP status (0: no answer) of each request that is sent again.
        before_write: awaited before each attempt of a write; a leader that may have lost its Lease waits there.
    """

    configuration: Configuration
    retried: Callable[[str, int], None]
    before_write: Callable[[], Awaitable[None]]
    _session: aiohttp.ClientSession | None = None
    _lent: list[aiohttp.ClientSession] = field(default_factory=list)
    _random: random.Random = field(default_factory=random.Random)

    async def get(self, path: str, **query: str) -> JSON:
        """Read `path`."""
        return await self.request("GET", path, query=query)

    async def create(self, path: str, body: JSON, **query: str) -> JSON:
        """Create `body` in the collection `path`."""
        return await self.request("POST", path, body, query={**OWN, **query})

    async def merge(self, path: str, body: JSON, **query: str) -> JSON:
        """Merge `body` into the object at `path`; null removes."""
        return await self.request("PATCH", path, body, MERGE_PATCH, query={**OWN, **query})

    async def apply(self, path: str, body: JSON, **query: str) -> JSON:
        """Apply `body` on the server's side as field manager `twin-operator`."""
        query = {**OWN, "force": "true", **query}
        return await self.request("PATCH", path, body, APPLY_PATCH, query=query, retried=RETRIED_APPLY)

    async def delete(self, path: str, uid: str) -> None:
        """Delete the object at `path` if it still is the one with this uid."""
        preconditions = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        try:
            await self.request("DELETE", path, preconditions)
        except ApiError as error:
            if error.status not in {404, 409}:
                raise

    async def rows(self, path: str, **query: str) -> AsyncIterator[tuple[JSON, JSON]]:
        """Yield the metadata and the printed columns, by name, of the objects of a collection, read in pages.

        Cheaper than the objects where there are many and only what is printed of them is wanted.
        """
        query = {"limit": str(PAGE), "includeObject": "Metadata", **query}
        while True:
            table = await self.request("GET", path, query=query, accept=TABLE)
            names = [column["name"] for column in table.get("columnDefinitions", ())]
            for row in table.get("rows") or ():
                yield row["object"]["metadata"], dict(zip(names, row["cells"], strict=False))
            following = table.get("metadata", {}).get("continue")
            if not following:
                return
            query["continue"] = following

    async def watch(self, path: str, version: str, **query: str) -> AsyncIterator[tuple[str, JSON]]:
        """Yield the changes of a collection after a resource version, by type, until the server ends the answer.

        Raises:
            ApiError: the server refused, or its history does not reach back to `version` (410).
        """
        query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": str(WATCH_SECONDS), **query}
        headers = {"Accept": "application/json", **await self._credentials()}
        timeout = aiohttp.ClientTimeout(total=None, connect=10, sock_read=WATCH_SECONDS + 30)
        url = f"{self.configuration.host}{path}"
        async with self._open().get(url, headers=headers, params=query, timeout=timeout) as answer:
            if not answer.ok:
                raise ApiError(answer.status, _message(await answer.read()))
            async for line in _lines(answer.content):
                event = orjson.loads(line)
                if event["type"] == "ERROR":
                    raise ApiError(int(event["object"].get("code", 0)), str(event["object"].get("message", "")))
                yield event["type"], event["object"]

    async def items(self, path: str, **query: str) -> AsyncIterator[JSON]:
        """Yield the objects of the collection `path`, read in pages."""
        query = {"limit": str(PAGE), **query}
        while True:
            page = await self.get(path, **query)
            for item in page.get("items", ()):
                yield item
            following = page.get("metadata", {}).get("continue")
            if not following:
                return
            query["continue"] = following

    async def request(
        self,
        method: str,
        path: str,
        body: JSON | list[JSON] | None = None,
        content_type: str = "application/json",
        *,
        query: Mapping[str, str] | None = None,
        accept: str = "application/json",
        retried: Collection[int] = RETRIED,
    ) -> JSON:
        """Send a request; retry with jitter what the server could not take, by the HTTP statuses `retried`.

        Raises:
            ApiError: the server refused, or could not take it in `ATTEMPTS` attempts.
        """
        content = orjson.dumps(body) if body is not None else None
        headers = {"Content-Type": content_type, "Accept": accept, **await self._credentials()}
        for attempt in range(ATTEMPTS):
            if method != "GET":
                await self.before_write()
            try:
                return await self._send(method, path, content, headers, query)
            except ApiError as error:
                if error.status not in retried or attempt == ATTEMPTS - 1:
                    raise
                status = error.status
            except (aiohttp.ClientConnectionError, TimeoutError) as error:
                if attempt == ATTEMPTS - 1:
                    raise ApiError(0, f"the API server does not answer: {error}") from error
                status = 0
            self.retried(method, status)
            await asyncio.sleep(self._random.uniform(0, min(LONGEST_WAIT, 0.2 * 2**attempt)))
        raise AssertionError("the last attempt returns or raises")

    async def session_for(self, connections: int) -> aiohttp.ClientSession:
        """Return a session of its own for a client of another kind, with the credentials of this moment.

        That client may close it; `close` closes it otherwise.
        """
        connector = aiohttp.TCPConnector(limit=connections, ssl=self._tls())
        session = aiohttp.ClientSession(connector=connector, headers={**AGENT, **await self._credentials()})
        self._lent.append(session)
        return session

    async def close(self) -> None:
        """Close the connections, and those of the sessions for others: a client that was cancelled left them open."""
        for session in (*self._lent, *([self._session] if self._session else [])):
            await session.close()

    async def _send(
        self, method: str, path: str, content: bytes | None, headers: Mapping[str, str], query: Mapping[str, str] | None
    ) -> JSON:
        url = f"{self.configuration.host}{path}"
        proxy, hostname = self.configuration.proxy, self.configuration.tls_server_name  # of a user's kubeconfig
        async with self._open().request(
            method, url, data=content, headers=headers, params=query, proxy=proxy, server_hostname=hostname
        ) as answer:
            raw = await answer.read()
            if answer.ok:
                value: JSON = orjson.loads(raw)
                return value
            raise ApiError(answer.status, _message(raw))

    async def _credentials(self) -> dict[str, str]:
        token = await self.configuration.get_api_key_with_prefix("BearerToken")
        return {"Authorization": token} if token else {}

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=CONNECTIONS, ssl=self._tls())
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=TIMEOUT, cookie_jar=aiohttp.DummyCookieJar(), headers=AGENT
            )
        return self._session

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.configuration.ssl_ca_cert)
        # Python 3.13 asks for extensions that the authorities of several Kubernetes distributions lack.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if not self.configuration.verify_ssl:  # as a kubeconfig's insecure-skip-tls-verify
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if self.configuration.cert_file:
            context.load_cert_chain(self.configuration.cert_file, self.configuration.key_file)
        return context


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Yield lines of any length: a reader's own lines end at its buffer."""
    rest = b""
    async for chunk in content.iter_chunked(READ_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line


def _message(raw: bytes) -> str:
    try:
        return str(orjson.loads(raw).get("message", ""))
    except (orjson.JSONDecodeError, AttributeError):
        return raw[:200].decode(errors="replace")


def client_of_a_user(configuration: Configuration) -> KubernetesApi:
    """Return a client that counts no retries and writes at once: its process has no metrics and no Lease to lose."""
    return KubernetesApi(configuration, _not_counted, _at_once)


def _not_counted(_method: str, _status: int) -> None:
    """Count nothing."""


async def _at_once() -> None:
    """Wait for nothing."""
