"""A user takes a promoted version back by annotations of the TwinModel."""

from typing import Any

import pytest

from tests.fakes.installation import Installation
from tests.unit.services.letters import MODEL, NAME, REGISTERED, job, promoted, reasons, twin_model, version
from twin_operator.api.v1alpha1 import ObjectMeta, TwinModel, TwinModelStatus
from twin_operator.api.v1alpha1.twin_model_status import RetrainingState, ServingModel
from twin_operator.services.reconciling.ports import RollBack
from twin_operator.services.runs.run import JSON, TaskKind
from twin_operator.services.twin_models.rollback import wanted_roll_back

PREFIX = "twinops.dev/rollback-"
BACK = {"from": "2", "to": "1", "reason": "Wrong rows.", "by": "jane"}


def annotations(**changes: str | None) -> JSON:
    wanted = {**BACK, **changes}
    return {f"{PREFIX}{name}": value for name, value in wanted.items() if value is not None}


def model(*, active: str | None = "2", rolled_back: str | None = None, **changes: Any) -> TwinModel:
    status = TwinModelStatus(
        model=None if active is None else ServingModel(version=active),
        retraining=RetrainingState(rolled_back_version=rolled_back),
    )
    metadata = ObjectMeta(name=NAME, annotations=annotations(**changes))
    return TwinModel.model_validate(twin_model()).replace(metadata=metadata, status=status)


def test_the_annotations_of_a_rollback_are_read() -> None:
    assert wanted_roll_back(model()) == RollBack("2", "1", "Wrong rows.", "jane")


@pytest.mark.parametrize(
    "twin",
    [
        TwinModel.model_validate(twin_model()),
        model(by=None),
        model(active="3"),
        model(rolled_back="2"),
        model(to="2"),
        model(active=None),
    ],
    ids=["none", "incomplete", "another version is active", "done before", "to itself", "no version is active"],
)
def test_what_is_incomplete_done_or_about_another_version_is_no_rollback(twin: TwinModel) -> None:
    assert wanted_roll_back(twin) is None


def ask(site: Installation, **changes: str | None) -> None:
    """Annotate the TwinModel."""
    site.patch(*MODEL, {"metadata": {"annotations": annotations(**changes)}})


@pytest.mark.looptime
async def test_a_rollback_moves_the_champion_and_keeps_the_reason() -> None:
    async with Installation() as site:
        await promoted(site)
        ask(site)
        await site.until(lambda: version(site) == "1")
        assert site.registry.champion_version(REGISTERED) == "1"
        tags = site.registry.tags(REGISTERED, "2")
        assert (tags["twinops.rolledBack"], tags["twinops.rolledBackBy"]) == ("Wrong rows.", "jane")
        assert site.cluster.events[-1].message == "jane rolled back from version 2 to 1: Wrong rows."
        assert reasons(site)[-1] == "RolledBack"


@pytest.mark.looptime
async def test_a_rollback_is_carried_out_once_and_its_candidate_does_not_come_back() -> None:
    async with Installation() as site:
        workers = await promoted(site)
        ask(site)
        await site.until(lambda: version(site) == "1")
        await site.advance(200)
        retraining = site.status(*MODEL)["retraining"]
        assert retraining["rolledBackVersion"] == "2"
        assert "previousVersion" not in retraining  # a second rollback without a version does not go forward to it
        assert retraining["triedDataDigest"] == workers.digest
        assert reasons(site).count("RolledBack") == 1
        site.registry.promote(REGISTERED, "2", {})
        await site.until(lambda: version(site) == "2")
        await site.advance(200)
        assert version(site) == "2"


@pytest.mark.looptime
async def test_a_rollback_to_a_version_that_does_not_exist_is_refused() -> None:
    async with Installation() as site:
        await promoted(site)
        ask(site, to="7")
        await site.until(lambda: "RollBackRefused" in reasons(site))
        assert "Rolling back from version 2 to 7 is not possible" in site.cluster.events[-1].message
        assert (version(site), site.registry.champion_version(REGISTERED)) == ("2", "2")


@pytest.mark.looptime
async def test_a_rollback_from_a_version_that_is_pinned_and_not_the_champion_is_refused() -> None:
    async with Installation() as site:
        workers = await promoted(site)
        site.apply(job("third", approval={"approved": True, "by": "jane"}, overrideCooldown=True))
        workers.better = False
        await workers.do(TaskKind.RETRAIN)
        await workers.do(TaskKind.GATE)
        site.patch(*MODEL, {"spec": {"version": "1"}})
        await site.until(lambda: version(site) == "1")
        ask(site, **{"from": "1", "to": "3"})
        await site.until(lambda: "RollBackRefused" in reasons(site))
        assert "Version 1 of default.letters is not the champion" in site.cluster.events[-1].message
        assert site.registry.champion_version(REGISTERED) == "2"


@pytest.mark.looptime
async def test_a_rollback_waits_for_a_registry_that_is_away() -> None:
    async with Installation() as site:
        await promoted(site)
        site.registry.reachable = False
        ask(site)
        await site.advance(30)
        assert version(site) == "2"
        site.registry.reachable = True
        await site.until(lambda: version(site) == "1")
        assert reasons(site).count("RolledBack") == 1
