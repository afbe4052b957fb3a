"""A Redis of its own for tests that kill it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from devcluster import services
from tests.integration import redis_users


class KillableRedis:
    """A Redis that can be killed and started again with what its append-only file holds.

    It has the chart's users and no others, but for the tests' own administrator, whose address `service` has.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.users = redis_users.write_users(directory / "users.acl")
        self.stack = ExitStack()
        self.service = self._start(0)

    def _start(self, port: int) -> services.Service:
        service = self.stack.enter_context(services.redis(self.directory, port, self.users))
        return replace(service, url=redis_users.address(service.url, "admin"))

    def kill(self) -> None:
        """Kill it as a lost node does."""
        self.check()
        self.service.process.kill()
        self.service.process.wait()
        self.stack.close()

    def start(self) -> None:
        """Start a killed one on its port."""
        self.service = self._start(self.service.port)

    def kill_and_start(self) -> None:
        """Kill it; start it on the same port."""
        self.kill()
        self.start()

    def check(self) -> None:
        """See that the users' rules are enough for all that has happened since it was started."""
        assert redis_users.refusals(self.service.url) == []
