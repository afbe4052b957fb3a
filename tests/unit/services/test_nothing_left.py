"""What never had a message leaves nothing in Redis: a stop is kept for a day, and an editor creates fifty a second."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.fakes.installation import Installation
from tests.fakes.ready_twin import install_twin, simulation, twin_model
from tests.unit.services.letters import job
from twin_operator.services.runs.run import JSON, Stop

pytestmark = pytest.mark.looptime
NOWHERE: Final = "nobody"  # a queue that no pool serves


def edited(body: JSON, spec: JSON) -> list[JSON]:
    """Return an object, and the same with changes of its spec."""
    return [body, {**body, "spec": {**body["spec"], **spec}}]


WRITTEN: Final[dict[str, list[JSON]]] = {
    "a Simulation of no TwinModel": [simulation(model="none")],
    "a Simulation for no pool": [simulation(queue=NOWHERE)],
    "a suspended Simulation": [simulation(queue=NOWHERE, suspend=True)],
    "a TwinModel for no pool": [twin_model("other", queue=NOWHERE)],
    "a TwinModel that was edited": edited(twin_model("other", queue=NOWHERE), {"data": {"uri": "file:///data/b.csv"}}),
    "a suspended TwinModel": edited(twin_model("other", queue=NOWHERE), {"suspend": True}),
    "a TwinModel of a name that is taken": [twin_model("other", registeredModel="default.customers")],
    "a RetrainingJob of no TwinModel": [job()],
}


def records(site: Installation) -> dict[str, Any]:
    return site.queue.server.content().records


@pytest.mark.parametrize("bodies", WRITTEN.values(), ids=WRITTEN)
async def test_an_object_that_never_had_a_message_leaves_no_record(bodies: list[JSON]) -> None:
    async with Installation() as site:
        install_twin(site)
        await site.advance(20)
        before = set(records(site))  # the check of the twin's data
        for body in bodies:
            site.apply(body)
            await site.advance(20)
        kind, name = bodies[0]["kind"], bodies[0]["metadata"]["name"]
        assert site.condition(kind, name), "the operator has seen it"
        site.remove(kind, name)
        await site.advance(20)
        assert set(records(site)) == before


@pytest.mark.parametrize("restarted", [False, True])
async def test_an_object_with_a_message_leaves_its_stop(*, restarted: bool) -> None:
    async with Installation() as site:
        install_twin(site)
        uids = [site.apply(body)["metadata"]["uid"] for body in (simulation(), twin_model("other"))]
        await site.until(lambda: len(stops(site, uids)) == len(uids))
        await site.advance(5)
        if restarted:  # the new leader did not publish them
            await site.restart()
            await site.advance(5)
        site.remove("Simulation", "question")
        site.remove("TwinModel", "other")
        await site.until(lambda: stops(site, uids) == [Stop.DELETED, Stop.DELETED], seconds=5)


def stops(site: Installation, uids: list[str]) -> list[Stop | None]:
    """Return the stops of the runs of objects."""
    return [record.stop for run, record in records(site).items() if run.startswith(tuple(uids))]
