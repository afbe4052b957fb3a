"""The part of a kubelet's HTTPS endpoint that `kubectl logs` needs: the logs of containers, also as they grow."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from devcluster.certificates import Pair
from devcluster.layout import LOOPBACK

_POLL = 0.2  # seconds between reads of a log that is followed
_CHUNK = 1 << 16  # bytes written at once


@dataclass(frozen=True)
class Wanted:
    """What of a log is asked for."""

    follow: bool = False
    previous: bool = False
    tail: int | None = None  # lines
    limit: int | None = None  # bytes

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> Wanted:
        """Read the query of a request.

        Raises:
            ValueError: a number is none.
        """
        tail, limit = query.get("tailLines"), query.get("limitBytes")
        return cls(
            follow=query.get("follow") == "true",
            previous=query.get("previous") == "true",
            tail=None if tail is None else int(tail),
            limit=None if limit is None else int(limit),
        )


def choose(content: bytes, wanted: Wanted) -> bytes:
    """Cut a log to what is asked for."""
    if wanted.tail is not None:
        lines = content.splitlines(keepends=True)
        content = b"".join(lines[max(0, len(lines) - wanted.tail) :])
    return content if wanted.limit is None else content[: wanted.limit]


class LogServer:
    """Serves the logs below a folder to the API server alone."""

    def __init__(self, folder: Path, is_alive: Callable[[str, str], bool]) -> None:
        self._folder = folder
        self._is_alive = is_alive  # whether a Pod, by namespace and name, may still write
        application = web.Application()
        application.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0)

    async def start(self, port: int, authority: Pair, server: Pair) -> None:
        """Listen on the loopback address for clients whom the cluster's authority has signed."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.certificate))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(server.certificate, server.key)
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, port, ssl_context=context).start()

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        place = request.match_info
        try:
            wanted = Wanted.parse(request.query)
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        file = self._find(place["namespace"], place["pod"], place["container"], previous=wanted.previous)
        if file is None:
            raise web.HTTPNotFound(text=f"container {place['container']} has no log")
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        await self._send(file, wanted, response, lambda: self._is_alive(place["namespace"], place["pod"]))
        return response

    def _find(self, namespace: str, pod: str, container: str, *, previous: bool) -> Path | None:
        name = f"{container}.previous.log" if previous else f"{container}.log"
        files = self._folder.glob(f"{namespace}_{pod}_*/{name}")
        return max(files, key=lambda file: file.stat().st_mtime, default=None)

    async def _send(
        self, file: Path, wanted: Wanted, response: web.StreamResponse, is_alive: Callable[[], bool]
    ) -> None:
        with file.open("rb") as log:
            await response.write(choose(log.read(), wanted))
            while wanted.follow:
                alive = is_alive()  # before reading: what was written last is read once more
                chunk = log.read(_CHUNK)
                if chunk:
                    await response.write(chunk)
                elif not alive or not _is_same(file, log.fileno()):
                    return
                else:
                    await asyncio.sleep(_POLL)


def _is_same(file: Path, descriptor: int) -> bool:
    """Whether a log is still the current one, not that of a run before."""
    return file.exists() and file.stat().st_ino == os.fstat(descriptor).st_ino
