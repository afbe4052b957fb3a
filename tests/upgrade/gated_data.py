"""A file server that holds back who reads, so that a training is in progress for as long as a test needs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOLD = 200.0  # seconds at most: readers give up after 300


@dataclass(frozen=True)
class GatedData:
    """Serves the files of a folder over HTTP; a closed gate holds back those who read one.

    Attributes:
        held: paths that were asked for while the gate was closed.
    """

    folder: Path
    port: int
    gate: threading.Event
    held: set[str]

    @property
    def url(self) -> str:
        """Address of the folder, with a slash at its end."""
        return f"http://127.0.0.1:{self.port}/"


@contextmanager
def serving(folder: Path) -> Iterator[GatedData]:
    """Serve a folder until the end of the block; the gate is open at first."""
    gate = threading.Event()
    gate.set()
    held: set[str] = set()
    handler = partial(_Handler, gate, held, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield GatedData(folder, server.server_port, gate, held)
        finally:
            gate.set()
            server.shutdown()
            thread.join()


class _Handler(SimpleHTTPRequestHandler):
    """Waits for the gate before it sends a file; HEAD is answered at once."""

    def __init__(self, gate: threading.Event, held: set[str], *arguments: object, directory: str) -> None:
        self._gate, self._held = gate, held
        super().__init__(*arguments, directory=directory)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        if not self._gate.is_set():
            self._held.add(self.path)
            self._gate.wait(HOLD)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass
