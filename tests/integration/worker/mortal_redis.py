"""A Redis that a test kills and starts again on the same port, with the same data."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from devcluster import services
from devcluster.layout import free_ports
from tests.integration.brokers import load_scripts


@dataclass
class MortalRedis:
    """A Redis with an append-only file."""

    directory: Path
    port: int = field(default_factory=lambda: free_ports(1)[0])
    _running: ExitStack = field(default_factory=ExitStack)
    _service: services.Service | None = None

    def start(self) -> str:
        """Start it, wait until it answers, and load the scripts, as the operator does; return its address."""
        self._service = self._running.enter_context(services.redis(self.directory, self.port))
        load_scripts(self._service.url)
        return self._service.url

    def kill(self) -> None:
        """End it as a node's failure does: SIGKILL."""
        if self._service is not None:
            self._service.process.kill()
            self._service.process.wait()
        self._running.close()
