"""Which version answers a Simulation, and the weights that its prediction rests on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.ready_twin import simulation, small_bank, twin_model
from tests.fakes.registry import InMemoryRegistry, InMemoryVersions
from tests.unit.domain.outcomes import outcome
from twin_operator.api.v1alpha1 import Simulation, TwinModel, TwinModelStatus
from twin_operator.api.v1alpha1.conditions import Condition, ConditionStatus, Reason, SimulationPhase
from twin_operator.api.v1alpha1.twin_model_status import GATES_LIMIT, ModelGate, ServingModel
from twin_operator.domain.effects.answers import Gate, GateType
from twin_operator.domain.fidelity.ledger import RecordedOutcome
from twin_operator.domain.table.columns import Uncertainty
from twin_operator.services.reconciling.errors import OutcomesIncomplete
from twin_operator.services.reconciling.twin_checks import TwinChecks, gates_of
from twin_operator.services.runs.run import BoundVersion
from twin_operator.services.runs.training_messages import TrainedVersion
from twin_operator.services.versions import MOST_VECTORS, Twins, Version, Waiting

NAME = "default.customers"
KEY = "default", "customers"


def registry() -> InMemoryRegistry:
    found, (bank, summary) = InMemoryRegistry(), small_bank()
    found.register(NAME, "cluster/default/customers/u", bank, summary, {"twinops.run": "r"}, promote=True)
    return found


class Ledger:
    """Outcomes by TwinModel, none at first; the same object while they are the same."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], tuple[RecordedOutcome, ...]] = {}

    async def outcomes(self, model: tuple[str, str]) -> tuple[RecordedOutcome, ...]:
        return self.known.get(model, ())


def twins(known: InMemoryRegistry | None = None, ledger: Ledger | None = None) -> Twins:
    return Twins(InMemoryVersions(known or registry()), (ledger or Ledger()).outcomes, lambda _model: None)


def model(version: str | None = "1", **spec: Any) -> TwinModel:
    status = TwinModelStatus(registered_model=NAME, model=None if version is None else ServingModel(version=version))
    return TwinModel.model_validate(twin_model(**spec)).replace(status=status)


def pinned(body: TwinModel, version: str) -> TwinModel:
    return body.replace(spec=body.spec.replace(version=version))


async def test_a_late_deletion_of_an_earlier_model_leaves_the_one_of_its_name() -> None:
    found, present = twins(), model()
    found.observe(present, deleted=False)
    earlier = present.replace(metadata=present.metadata.replace(uid="earlier"))
    assert found.observe(earlier, deleted=True) is False
    assert isinstance(await resolved(found), Version)
    assert found.observe(present, deleted=True) is True
    assert isinstance(await resolved(found), Waiting)


async def resolved(found: Twins, **spec: Any) -> Any:
    return await found.resolve(Simulation.model_validate(simulation(**spec)))


async def test_the_version_that_serves_answers() -> None:
    found = twins()
    found.observe(model(), deleted=False)
    version = await resolved(found)
    assert isinstance(version, Version)
    assert (version.registered_model, version.version, version.arms) == (NAME, "1", ("none", "letter"))
    assert version.features == {"age": "Numeric", "visits": "Numeric", "region": "Categorical"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (None, "ModelNotFound"),
        (TwinModel.model_validate(twin_model()), "ModelNotReady"),
        (model(version=None), "ModelNotReady"),
        (model(version="9"), "ModelNotFound"),
        (pinned(model(), "2"), "ModelNotReady"),
    ],
)
async def test_it_waits_for_what_is_not_there_yet(body: TwinModel | None, reason: str) -> None:
    found = twins()
    if body is not None:
        found.observe(body, deleted=False)
    waiting = await resolved(found)
    assert isinstance(waiting, Waiting)
    assert (waiting.phase, waiting.reason) == ("Pending", reason)
    assert "customers" in waiting.message


async def test_a_version_is_read_once() -> None:
    known = registry()
    found = twins(known)
    found.observe(model(), deleted=False)
    first = await resolved(found)
    known.reachable = False
    assert await resolved(found) is first


async def test_a_registry_that_does_not_answer_is_asked_again() -> None:
    known = registry()
    found = twins(known)
    found.observe(model(), deleted=False)
    known.reachable = False
    assert isinstance(await resolved(found), Waiting)
    known.reachable = True
    assert isinstance(await resolved(found), Version)


async def test_a_model_that_was_deleted_is_not_found() -> None:
    found = twins()
    found.observe(model(), deleted=False)
    assert found.observe(model(), deleted=True)
    assert (await resolved(found)).reason == "ModelNotFound"
    assert not found.observe(model(), deleted=True)


@pytest.mark.parametrize(
    ("before", "after", "news"),
    [(None, "1", True), ("1", "1", False), ("1", "2", True), ("1", None, True)],
)
def test_only_another_version_is_news_for_those_that_wait(before: str | None, after: str | None, *, news: bool) -> None:
    found = twins()
    found.observe(model(before), deleted=False)
    assert found.observe(model(after), deleted=False) is news


def test_the_uncertainty_is_that_of_the_spec() -> None:
    found = twins()
    spec = {"confidence": 0.9, "betweenExperimentScale": 0.4, "acceptPrior": True}
    found.observe(model(uncertainty=spec), deleted=False)
    assert found.uncertainty(KEY) == Uncertainty(0.9, 0.4, accept_prior=True)


async def weights_of(found: Twins, scale: float = 0.25, arm: str = "letter") -> Any:
    found.observe(model(), deleted=False)
    version = await resolved(found)
    return await found.weights(KEY, version, version.contrast(arm, "letter" if arm == "none" else "none"), scale)


async def test_weights_are_computed_once_until_outcomes_change() -> None:
    ledger = Ledger()
    found = twins(ledger=ledger)
    first = await weights_of(found)
    assert await weights_of(found) is first
    ledger.known["another", "model"] = (outcome(),)
    assert await weights_of(found) is first
    ledger.known[KEY] = tuple(outcome(f"later-{number}") for number in range(5))
    assert await weights_of(found) is not first


async def test_twins_with_one_registered_model_have_weights_of_their_own() -> None:
    ledger = Ledger()
    found = twins(ledger=ledger)
    ledger.known["another", "model"] = tuple(outcome(f"later-{number}") for number in range(5))
    first = await weights_of(found)
    version = await resolved(found)
    other: Any = await found.weights(("another", "model"), version, version.contrast("letter", "none"), 0.25)
    assert other.digest != first.digest
    assert await weights_of(found) is first


async def test_weights_differ_by_the_scale_of_the_prior() -> None:
    found = twins()
    assert (await weights_of(found, 0.25)).digest != (await weights_of(found, 1.0)).digest


async def test_a_version_that_got_the_number_of_a_deleted_one_has_weights_of_its_own() -> None:
    known = registry()
    found = twins(known)
    first = await weights_of(found)
    known.delete_registered_model(NAME)
    bank, summary = small_bank()
    larger = [{**each, "sd0": 9.0 * each["sd0"]} for each in summary["contrasts"]]
    changed = {**summary, "contrasts": larger}
    known.register(NAME, "cluster/default/customers/u", bank, changed, {"twinops.run": "again"}, promote=True)
    found.forget_version(NAME, "1")
    assert (await weights_of(found)).digest != first.digest


async def test_weights_are_found_again_by_their_digest() -> None:
    found = twins()
    weights = await weights_of(found)
    assert found.weights_in_memory(weights.digest) is weights
    assert found.weights_in_memory("another") is None


async def test_the_oldest_of_too_many_weights_are_forgotten() -> None:
    found = twins()
    first = await weights_of(found, 0.5)
    for number in range(MOST_VECTORS):
        found._by_digest[str(number)] = first  # noqa: SLF001 - as many predictions would
    last = await weights_of(found, 1.0)
    assert found.weights_in_memory(first.digest) is None
    assert found.weights_in_memory(last.digest) is last


async def test_outcomes_that_cannot_be_had_leave_the_training_experiments() -> None:
    async def unreachable(_model: tuple[str, str]) -> None:
        return None

    without = Twins(InMemoryVersions(registry()), unreachable, lambda _model: None)
    assert (await weights_of(without)).digest == (await weights_of(twins())).digest


async def test_weights_wait_while_outcomes_are_missing() -> None:
    async def incomplete(_model: tuple[str, str]) -> None:
        raise OutcomesIncomplete(Reason.OUTCOMES_MISSING, "The archive lacks one.")

    waiting = await weights_of(Twins(InMemoryVersions(registry()), incomplete, lambda _model: None))
    assert waiting == Waiting(SimulationPhase.PENDING, Reason.OUTCOMES_MISSING, "The archive lacks one.")


# What is known against answers.

LEAK = "age tells who got the letter."
GATE = ModelGate(type=GateType.ASSIGNMENT_NOT_RANDOM, arm="letter", against="none", message=LEAK)
ACTIVE = BoundVersion(NAME, "1", None)
OTHER = BoundVersion(NAME, "2", None)


def condition(kind: str, status: str, message: str) -> Condition:
    return Condition(type=kind, status=ConditionStatus(status), reason=kind, message=message)


def checked(*conditions: Condition, gates: tuple[ModelGate, ...] = (), run_id: str | None = None) -> TwinModel:
    """Return a TwinModel whose version 1 is active, with these conditions and gates."""
    body = model()
    serving = ServingModel(version="1", run_id=run_id, gates=gates)
    return body.replace(status=body.status.replace(model=serving, conditions=conditions))


def with_second_version(**summary: Any) -> InMemoryRegistry:
    known, (bank, content) = registry(), small_bank()
    tags = {"twinops.run": "second"}
    known.register(NAME, "cluster/default/customers/u", bank, {**content, **summary}, tags, promote=False)
    return known


async def test_the_checks_of_the_active_version_are_those_of_the_status() -> None:
    found = await twins().checks(checked(gates=(GATE,)), ACTIVE)
    assert found == TwinChecks((Gate(GateType.ASSIGNMENT_NOT_RANDOM, LEAK, "letter", "none"),), None, None)


async def test_a_status_of_the_first_release_has_the_gate_as_its_condition() -> None:
    found = await twins().checks(checked(condition("AssignmentNotRandom", "True", LEAK)), ACTIVE)
    assert found.gates == (Gate(GateType.ASSIGNMENT_NOT_RANDOM, LEAK),)


@pytest.mark.parametrize(("status", "message"), [("False", "Missed."), ("True", None), ("Unknown", None)])
async def test_a_twin_that_is_not_known_to_be_unfaithful_is_not(status: str, message: str | None) -> None:
    found = await twins().checks(checked(condition("Faithful", status, "Missed.")), ACTIVE)
    assert found.not_faithful == message


async def test_a_warning_of_the_data_is_known() -> None:
    found = await twins().checks(checked(condition("DataWarning", "True", "Odd.")), ACTIVE)
    assert found.data_warning == "Odd."


async def test_the_checks_of_another_version_are_those_of_its_training() -> None:
    known = with_second_version(assignmentNotRandom=LEAK, warnings=["One.", "Two."])
    found = await twins(known).checks(checked(condition("Faithful", "False", "Missed.")), OTHER)
    assert found == TwinChecks((Gate(GateType.ASSIGNMENT_NOT_RANDOM, LEAK, "letter", "none"),), "One. Two.", "Missed.")


@pytest.mark.parametrize("bound", [None, BoundVersion(NAME, "9", None), BoundVersion(NAME, "1", "of another run")])
async def test_of_a_version_that_is_not_there_any_more_no_checks_are_known(bound: BoundVersion | None) -> None:
    found = await twins().checks(checked(run_id="now", gates=(GATE,)), bound)
    assert found == TwinChecks(None, None, None)


async def test_checks_of_another_version_wait_for_the_registry() -> None:
    known = with_second_version()
    known.reachable = False
    with pytest.raises(ConnectionError):
        await twins(known).checks(checked(), OTHER)
    assert (await twins(known).checks(checked(), ACTIVE)).gates == ()


def test_a_gate_stands_for_all_comparisons_where_they_are_many() -> None:
    _bank, content = small_bank()
    contrast = content["contrasts"][0]
    many = [{**contrast, "arm": f"letter {number}"} for number in range(GATES_LIMIT + 1)]
    trained = TrainedVersion.model_validate({**content, "version": "1", "contrasts": many, "assignmentNotRandom": LEAK})
    assert gates_of(trained) == (Gate(GateType.ASSIGNMENT_NOT_RANDOM, LEAK),)
