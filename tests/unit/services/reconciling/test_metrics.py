"""An outage of Redis shows soon, and so does its end."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from twin_operator.adapters.metrics import ProcessMetrics
from twin_operator.services.reconciling import metrics
from twin_operator.services.reconciling.metrics import BrokerWatch


class Server:
    """Answers, refuses or keeps silent."""

    def __init__(self) -> None:
        self.state = "up"

    async def ping(self) -> bool:
        if self.state == "refuses":
            raise ConnectionError
        if self.state == "silent":
            await asyncio.Event().wait()
        return True


class Shown(ProcessMetrics):
    """Hands on what is shown."""

    def __init__(self) -> None:
        super().__init__(CollectorRegistry(), "0")
        self.answers: asyncio.Queue[bool] = asyncio.Queue()

    def redis(self, *, reachable: bool) -> None:
        self.answers.put_nowait(reachable)


@pytest.mark.parametrize("outage", ["refuses", "silent"])
async def test_an_outage_shows_and_so_does_its_end(outage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POLL_SECONDS", "PATIENCE_SECONDS"):
        monkeypatch.setattr(metrics, name, 0.01)
    shown, server = Shown(), Server()
    watching = asyncio.create_task(BrokerWatch(server.ping, shown).run())
    for state, reachable in [("up", True), (outage, False), ("up", True)]:
        server.state = state
        async with asyncio.timeout(120):
            while await shown.answers.get() is not reachable:
                pass
    watching.cancel()
