"""What a node reports of a Pod: once while nothing changes, and again where another writer has changed it."""

from __future__ import annotations

from typing import Any, cast

from devcluster.node.api import ApiServer
from devcluster.node.report import Reporter

POD = {"metadata": {"namespace": "n", "name": "p", "uid": "u"}}


class Api:
    """An API server that keeps the statuses that were patched."""

    def __init__(self) -> None:
        self.patches: list[dict[str, Any]] = []

    async def patch(self, _path: str, body: dict[str, Any], _kind: str) -> None:
        """Keep the body of a patch."""
        self.patches.append(body)


def status(ready: str) -> dict[str, Any]:
    return {"podIPs": [], "conditions": [{"type": "Ready", "status": ready}]}


def seen(ready: str) -> dict[str, Any]:
    return {
        **POD,
        "status": {"conditions": [{"type": "Ready", "status": ready}, {"type": "Other", "status": "Unknown"}]},
    }


async def reporting() -> tuple[Api, Reporter]:
    api = Api()
    reporter = Reporter(cast("ApiServer", api), POD)
    await reporter.send({}, status("True"))
    return api, reporter


async def test_a_status_is_sent_once() -> None:
    api, reporter = await reporting()
    await reporter.send({}, status("True"))
    assert len(api.patches) == 1


async def test_a_condition_that_another_writer_changed_is_noticed() -> None:
    _, reporter = await reporting()
    assert reporter.was_overwritten(seen("False"))
    assert not reporter.was_overwritten(seen("True"))
    assert not reporter.was_overwritten(POD)


async def test_a_forgotten_status_is_sent_again() -> None:
    api, reporter = await reporting()
    reporter.forget()
    await reporter.send({}, status("True"))
    assert len(api.patches) == 2


async def test_a_closed_reporter_writes_no_status() -> None:
    api, reporter = await reporting()
    reporter.close()
    await reporter.send({}, status("False"))
    assert len(api.patches) == 1
