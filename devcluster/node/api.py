"""A small client of the API server: JSON in and out, and a watch that resumes after closed streams and 410 Gone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp

Json = dict[str, Any]

NOT_FOUND = 404
CONFLICT = 409
_BAD = 400  # HTTP status codes from here on are refusals
_TIMEOUT = 15.0  # seconds for one answer on the loopback; the API server itself gives up after 60
_WATCH = 300  # seconds after which the API server closes a watch, so that a dead one is noticed
_PAUSE = 0.5  # seconds before a watch that broke is begun again

MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"


class ApiError(Exception):
    """The API server refused; `status` is HTTP's, or 0 when it could not even be asked."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Listed:
    """The whole collection, at the start of a watch and whenever one has to be restarted."""

    items: list[Json]


@dataclass(frozen=True)
class Changed:
    """One event of a watch."""

    kind: str  # ADDED, MODIFIED or DELETED
    item: Json


class ApiServer:
    """A session with the API server under a client certificate."""

    def __init__(self, server: str, context: ssl.SSLContext) -> None:
        self._server = server
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context), timeout=aiohttp.ClientTimeout(total=_TIMEOUT)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, path: str, **query: str) -> Json:
        """Read an object or a list."""
        return await self._request("GET", path, query=query)

    async def create(self, path: str, body: Json) -> Json:
        """POST an object."""
        return await self._request("POST", path, body)

    async def patch(self, path: str, body: Json, kind: str = MERGE_PATCH) -> Json:
        """PATCH an object."""
        return await self._request("PATCH", path, body, {"Content-Type": kind})

    async def delete(self, path: str, body: Json) -> Json:
        """DELETE an object, with DeleteOptions."""
        return await self._request("DELETE", path, body)

    async def _request(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
    ) -> Json:
        data = None if body is None else json.dumps(body)
        headers = headers or {"Content-Type": "application/json"}
        url = self._server + path
        try:
            async with self._session.request(method, url, data=data, headers=headers, params=query) as response:
                status, answer = response.status, await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ApiError(0, f"{type(error).__name__}: {error}") from error
        if status >= _BAD:
            raise ApiError(status, _message(answer))
        parsed: Json = json.loads(answer)
        return parsed

    async def follow(self, path: str, **query: str) -> AsyncIterator[Listed | Changed]:
        """Yield a collection and then its changes, for ever."""
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, ApiError):
                listing = await self.get(path, **query)
                yield Listed(listing["items"])
                async for change in self._watch(path, listing["metadata"]["resourceVersion"], query):
                    yield change
            await asyncio.sleep(_PAUSE)

    async def _watch(self, path: str, version: str, query: dict[str, str]) -> AsyncIterator[Changed]:
        """Yield changes from a version on, over as many streams as it takes; ends when the version is too old."""
        while True:
            async for event in self._stream(path, {**query, "resourceVersion": version}):
                if event["type"] == "ERROR":
                    return
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    yield Changed(event["type"], event["object"])

    async def _stream(self, path: str, query: dict[str, str]) -> AsyncIterator[Json]:
        query = {**query, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(_WATCH)}
        timeout = aiohttp.ClientTimeout(total=None, sock_read=2 * _WATCH)
        async with self._session.get(self._server + path, params=query, timeout=timeout) as response:
            if response.status >= _BAD:
                raise ApiError(response.status, _message(await response.text()))
            rest = b""
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield json.loads(line)


def _message(answer: str) -> str:
    """Take the sentence out of a Status object; what is none is its own message."""
    try:
        return str(json.loads(answer)["message"])
    except (ValueError, KeyError, TypeError):
        return answer
