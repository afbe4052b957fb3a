"""A resync has every object reconciled, and not all of them at the same time."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from tests.fakes.installation import GivenSettings
from twin_operator.adapters.metrics import ProcessMetrics
from twin_operator.adapters.metrics.operator import OperatorMetrics
from twin_operator.services.operator import RESYNC_STEP_SECONDS, Key, ReconcileRequests
from twin_operator.wiring.operator import build_requests

pytestmark = pytest.mark.looptime
SECONDS = 60.0
MODELS = 3000


def requests() -> ReconcileRequests:
    """Return requests of an operator that knows many TwinModels."""
    metrics = CollectorRegistry()
    made = build_requests(GivenSettings(), OperatorMetrics.of(metrics, ProcessMetrics(metrics, "0")))
    made.models = {("TwinModel", "default", f"model-{number}"): f"uid-{number}" for number in range(MODELS)}
    return made


async def marked_at_once(made: ReconcileRequests, seconds: float) -> list[set[Key]]:
    """Resync over some seconds; return which keys were marked each time."""
    resync = asyncio.create_task(made.everything(seconds))
    marked = []
    while not resync.done():
        waiting = asyncio.create_task(made.keys.wait())
        await asyncio.wait([waiting, resync], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        marked.append(made.keys.take(set()))
    await resync
    return marked


async def test_a_resync_marks_every_object_once() -> None:
    marked = await marked_at_once(made := requests(), SECONDS)
    assert sorted(key for keys in marked for key in keys) == sorted(made.models)


async def test_a_resync_is_spread_evenly_over_its_interval() -> None:
    began = asyncio.get_running_loop().time()
    marked = await marked_at_once(requests(), SECONDS)
    assert max(map(len, marked)) == MODELS * RESYNC_STEP_SECONDS / SECONDS
    assert asyncio.get_running_loop().time() - began == pytest.approx(SECONDS)


async def test_a_resync_of_a_short_interval_marks_every_object_too() -> None:
    marked = await marked_at_once(made := requests(), RESYNC_STEP_SECONDS / 10)
    assert {key for keys in marked for key in keys} == set(made.models)
