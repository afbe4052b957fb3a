"""What a task waits for, and conditions: the operator's own, and those of others, which are kept."""

from __future__ import annotations

import pytest

from tests.fakes.installation import NAMESPACE, Installation
from tests.fakes.ready_twin import TWIN, install_twin, simulation, twin_model
from twin_operator.adapters.kubernetes_api.resources import event_manifest
from twin_operator.api.v1alpha1 import TwinModel
from twin_operator.api.v1alpha1.conditions import CONDITIONS_LIMIT, Condition, ConditionStatus, Reason
from twin_operator.services.reconciling.ports import Event
from twin_operator.services.reconciling.status import conditions_of, queued_message, ready
from twin_operator.services.runs.run import JSON

METADATA = {"name": TWIN, "namespace": NAMESPACE, "uid": "u", "resourceVersion": "1", "generation": 1}
CHANGES: dict[str, JSON] = {
    "TwinModel": {"spec": {"suspend": True}},
    "Simulation": {"spec": {"suspend": True}},
    "WorkerPool": {"spec": {"concurrency": 2}},
    "RetrainingJob": {"spec": {"cancel": True}},
}


def retraining_job() -> JSON:
    metadata = {"name": "again", "namespace": NAMESPACE}
    spec = {"modelRef": {"name": TWIN}}
    return {"apiVersion": "twinops.dev/v1alpha1", "kind": "RetrainingJob", "metadata": metadata, "spec": spec}


def test_a_task_waits_for_its_turn_or_for_a_pool_with_workers() -> None:
    assert queued_message("trials", served=True) == "Waits in queue trials for a worker."
    assert queued_message("trials", served=False) == "No WorkerPool has workers for queue trials; it waits for one."


@pytest.mark.looptime
@pytest.mark.parametrize("kind", ["TwinModel", "Simulation", "WorkerPool", "RetrainingJob"])
async def test_conditions_that_others_add_are_kept(kind: str) -> None:
    others = {"type": "example.com/Checked", "status": "True", "reason": "Checked", "message": "By a colleague's tool."}
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation(queue="urgent"))
        site.apply(retraining_job())
        name = {"TwinModel": TWIN, "Simulation": "question", "WorkerPool": "workers", "RetrainingJob": "again"}[kind]
        await site.until(lambda: site.condition(kind, name))
        conditions = [others, *site.status(kind, name)["conditions"]]
        site.cluster.patch_status(kind, NAMESPACE, name, {"status": {"conditions": conditions}})
        site.patch(kind, name, CHANGES[kind])
        await site.until(lambda: site.status(kind, name)["observedGeneration"] > 1)
        assert others in site.status(kind, name)["conditions"]
        assert site.condition(kind, name)["observedGeneration"] > 1


def test_no_condition_and_no_event_has_a_control_character() -> None:
    model = TwinModel.model_validate({**twin_model(), "metadata": METADATA})
    message = 'The label "a\x1b[2J\n\u202eb" is not known.'
    (condition,) = conditions_of(model, ready(Reason.MODEL_SERVING, message), now=0)
    assert condition.message == 'The label "a\\x1b[2J \\u202eb" is not known.'
    event = Event(model, "DataInvalid", message)
    assert event_manifest(event)["note"] == condition.message


def test_others_get_the_room_that_is_left() -> None:
    others = tuple(
        Condition(type=f"Other{number}", status=ConditionStatus.TRUE, reason="R", message="")
        for number in range(CONDITIONS_LIMIT)
    )
    model = TwinModel.model_validate({**twin_model(), "metadata": METADATA})
    model = model.replace(status=model.status.replace(conditions=others))
    found = conditions_of(model, ready(Reason.MODEL_SERVING, "Serves."), now=0)
    assert [each.type for each in found] == ["Ready", *(each.type for each in others[:-1])]


def test_no_condition_shows_the_credentials_of_an_address() -> None:
    model = TwinModel.model_validate({**twin_model(), "metadata": METADATA})
    facts = ready(Reason.MODEL_SERVING, "Redis does not answer: redis://operator:sesame@redis is away.")
    (found,) = conditions_of(model, facts, now=0)
    assert found.message == "Redis does not answer: redis://**@redis is away."


def test_no_event_shows_the_credentials_of_an_address() -> None:
    model = TwinModel.model_validate({**twin_model(), "metadata": METADATA})
    note = event_manifest(Event(model, "Failed", "no answer from http://bob:sesame@mlflow"))["note"]
    assert note == "no answer from http://**@mlflow"
