"""TLS before a Redis that has none: it ends the TLS of each connection and passes bytes on, as stunnel does."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from devcluster.certificates import Pair
from devcluster.layout import LOOPBACK, free_ports

_CHUNK = 65_536  # bytes at once


@contextmanager
def tls_front(port: int, pair: Pair) -> Iterator[int]:
    """Serve a port by TLS with a certificate until the block ends, and give the port of that."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    front, ready = free_ports(1)[0], threading.Event()
    stops: list[Callable[[], object]] = []

    async def serve() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        stops.append(lambda: loop.call_soon_threadsafe(stop.set))
        server = await asyncio.start_server(lambda r, w: _pass_on(r, w, port), LOOPBACK, front, ssl=context)
        ready.set()
        await stop.wait()
        server.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    ready.wait()
    try:
        yield front
    finally:
        stops[0]()
        thread.join()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    behind, before = await asyncio.open_connection(LOOPBACK, port)
    await asyncio.gather(_copy(reader, before), _copy(behind, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        with suppress(OSError):
            while content := await reader.read(_CHUNK):
                writer.write(content)
                await writer.drain()
    finally:
        writer.close()
