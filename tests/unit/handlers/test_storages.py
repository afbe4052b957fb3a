"""What kopf does with an object for each event: nothing but to call the handler."""

from __future__ import annotations

from typing import cast

import kopf
import pytest

from tests.unit.handlers.operators import loop_on_fakes, settings
from tests.unit.handlers.test_events import WORKER_POOL, until, watching
from tests.unit.handlers.watched_server import WatchedServer
from twin_operator.handlers import events


async def test_an_event_costs_no_copy_of_the_object(server: WatchedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The base class copies the body to build what is compared; ours are asked instead."""

    def copied(*_arguments: object, **_named: object) -> None:
        raise AssertionError("kopf built the essence of an object")

    monkeypatch.setattr(kopf.DiffBaseStorage, "build", copied)
    monkeypatch.setattr(kopf.ProgressStorage, "clear", copied)
    loop = loop_on_fakes(settings())
    async with watching(server, loop):
        server.send("workerpools", "ADDED", WORKER_POOL)
        await until(lambda: bool(loop.pools.index.keys))


def test_nothing_is_kept_of_an_object() -> None:
    persistence = events.settings().persistence
    body, patch = kopf.Body(cast("kopf.RawBody", WORKER_POOL)), kopf.Patch()
    essence = persistence.diffbase_storage.build(body=body)
    persistence.diffbase_storage.store(body=body, patch=patch, essence=essence)
    persistence.progress_storage.touch(body=body, patch=patch, value="now")
    assert (dict(essence), dict(patch)) == ({}, {})
    assert persistence.diffbase_storage.fetch(body=body) is None
