"""What operator and workers may rely on in a model registry, on a real MLflow server and in memory.

A test module gives `registry` (as workers have it), `versions` (the same one, as the operator has it), `away` and
`versions_away` (one that does not answer), `bank`, one that can be stored, `fresh` (makes the same registry as another
process has it), `delete` and `delete_version` (as the administrator of the registry may), `foreign` (registers a model
with one version, the champion, and some tags, as another team does), `set_tag` (of a registered model), and
`during_claim` (has something done right after the next owner tag was written).
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from itertools import permutations
from typing import Any, Protocol

import numpy as np
import pytest

from twin_operator.domain.checks.findings import R_SQUARED, arm_metric
from twin_operator.domain.twin import Bank
from twin_operator.services.reconciling.errors import Stalled, VersionGone
from twin_operator.services.reconciling.ports import RegisteredModel, RegisteredVersion, RollBack, Versions
from twin_operator.services.reconciling.version_tags import summary_in
from twin_operator.services.runs.training_messages import TrainedVersion
from twin_operator.services.work.train import ModelRegistry

OWNER = "cluster/ns/twin/uid-1"
SUMMARY: dict[str, Any] = {
    "metrics": {"loss": 0.5},
    "samples": 400,
    "arms": ["A", "B"],
    "experiments": ["past"],
    "features": {"age": "Numeric"},
    "plan": {"algorithm": "Linear", "folds": 2, "seed": 0, "seeds": 3},
    "effects": [],
    "contrasts": [],
}


class Registry(ModelRegistry, Protocol):
    """All that the adapter offers to workers and to these tests."""

    def champion_version(self, name: str) -> str | None: ...

    def promote(self, name: str, version: str, tags: Mapping[str, str]) -> None: ...

    def bank(self, name: str, version: str, run_id: str | None) -> Bank: ...

    def tags(self, name: str, version: str) -> dict[str, str]: ...


@pytest.fixture
def name() -> str:
    return f"ns.{uuid.uuid4().hex[:8]}"


def go_on() -> None:
    """Confirm that a run goes on."""


def registered(
    registry: Registry,
    name: str,
    bank: Bank,
    run: str,
    *,
    promote: bool = True,
    confirm: Callable[[], None] = go_on,
) -> str:
    tags = {"twinops.run": run, "twinops.fingerprint": f"spec-{run}"}
    return registry.register(name, OWNER, bank, SUMMARY, tags, promote=promote, confirm=confirm)


def test_a_name_belongs_to_one_twin_and_an_older_uid_is_adopted(registry: Registry, name: str) -> None:
    registry.check_owner(name, OWNER)
    registry.check_owner(name, "cluster/ns/twin/uid-2")
    for stranger in ("cluster/ns/other/uid-3", "elsewhere/ns/twin/uid-1"):
        with pytest.raises(Stalled, match="belongs to cluster/ns/twin") as stalled:
            registry.check_owner(name, stranger)
        assert stalled.value.reason == "RegisteredModelTaken"


ADOPTED = {"twinops.adopt": "ns/twin"}
TAGS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "an older uid": ({"twinops.owner": "cluster/ns/twin/uid-0"}, {"twinops.owner": OWNER}),
    "another cluster, adopted": ({"twinops.owner": "elsewhere/ns/twin/uid-1", **ADOPTED}, {"twinops.owner": OWNER}),
    "another team, adopted": (ADOPTED, {"twinops.owner": OWNER}),
    "another cluster": ({"twinops.owner": "elsewhere/ns/twin/uid-1"}, {"twinops.owner": "elsewhere/ns/twin/uid-1"}),
    "adopted by another": ({"twinops.adopt": "ns/other"}, {"twinops.adopt": "ns/other"}),
    "another team": ({}, {}),
}


@pytest.mark.parametrize("case", TAGS)
async def test_operator_and_worker_claim_by_the_same_rule(
    registry: Registry, versions: Versions, name: str, foreign: Callable[[str, dict[str, str]], None], case: str
) -> None:
    before, after = TAGS[case]
    for number, by_worker in enumerate((False, True)):
        model = f"{name}{number}"
        foreign(model, before)
        for _again in range(2):
            if by_worker:
                with nullcontext() if after.get("twinops.owner") == OWNER else pytest.raises(Stalled):
                    registry.check_owner(model, OWNER)
            else:
                assert await versions.claim(model, OWNER) == RegisteredModel(after, "1")
            assert await versions.registered_model(model) == RegisteredModel(after, "1")


async def test_no_registered_model_is_claimed_where_there_is_none(versions: Versions, name: str) -> None:
    assert await versions.claim(name, OWNER) is None


async def test_of_two_that_claim_a_model_at_once_the_one_whose_tag_stands_has_it(
    registry: Registry,
    versions: Versions,
    name: str,
    foreign: Callable[[str, dict[str, str]], None],
    during_claim: Callable[[Callable[[], None]], None],
    set_tag: Callable[[str, str, str], None],
) -> None:
    foreign(name, ADOPTED)
    during_claim(lambda: set_tag(name, "twinops.owner", "elsewhere/ns/twin/uid-9"))
    found = await versions.claim(name, OWNER)
    assert found is not None
    assert found.tags["twinops.owner"] == "elsewhere/ns/twin/uid-9"
    set_tag(name, "twinops.adopt", "ns/twin")
    with pytest.raises(Stalled, match="belongs to elsewhere/ns/twin"):
        registry.check_owner(name, OWNER)


async def test_a_version_is_read_without_its_summary(
    registry: Registry, versions: Versions, name: str, bank: Bank, delete_version: Callable[[str, str], None]
) -> None:
    assert await versions.version(name, "1") is None
    version = registered(registry, name, bank, "a")
    found = await versions.version(name, version)
    assert found == RegisteredVersion(registry.tags(name, version), registry.summary(name, version)["runID"])
    delete_version(name, version)
    assert await versions.version(name, version) is None
    assert await versions.champion(name) is None, "the alias goes with its version"


def test_the_bank_of_a_version_that_is_gone_is_not_tried_again(
    registry: Registry, name: str, bank: Bank, delete_version: Callable[[str, str], None], fresh: Callable[[], Registry]
) -> None:
    version = registered(registry, name, bank, "a")
    run = registry.summary(name, version)["runID"]
    delete_version(name, version)
    for run_id in (None, run):
        with pytest.raises(VersionGone, match=f"{name} has no version {version}"):
            fresh().bank(name, version, run_id)


def test_a_version_has_its_tags_and_its_summary(registry: Registry, name: str, bank: Bank) -> None:
    version = registered(registry, name, bank, "a")
    tags = registry.tags(name, version)
    assert (tags["twinops.run"], tags["twinops.fingerprint"], tags["twinops.samples"]) == ("a", "spec-a", "400")
    summary = registry.summary(name, version)
    assert summary.pop("runID")
    summary.pop("bankDigest", None)  # of the file, which the registry in memory does not write
    assert summary == {**SUMMARY, "version": version}
    assert registry.bank(name, version, None).arms == bank.arms


def other_arms(bank: Bank) -> Bank:
    return replace(bank, arms=("A", "C"))


def test_a_version_that_got_the_number_of_a_deleted_one_has_a_bank_of_its_own(
    registry: Registry, name: str, bank: Bank, delete: Callable[[str], None], fresh: Callable[[], Registry]
) -> None:
    first = registered(registry, name, bank, "a")
    first_run = registry.summary(name, first)["runID"]
    assert registry.bank(name, first, first_run).arms == bank.arms
    delete(name)
    again = registered(registry, name, other_arms(bank), "b")
    assert again == first, "the number is given again"
    again_run = registry.summary(name, again)["runID"]
    assert again_run != first_run
    for process in (registry, fresh()):
        assert process.bank(name, again, again_run).arms == ("A", "C")
        assert process.bank(name, again, None).arms == ("A", "C")


def test_a_version_whose_number_belongs_to_another_one_is_gone(
    registry: Registry, name: str, bank: Bank, delete: Callable[[str], None], fresh: Callable[[], Registry]
) -> None:
    version = registered(registry, name, bank, "a")
    deleted_run = registry.summary(name, version)["runID"]
    delete(name)
    registered(registry, name, other_arms(bank), "b")
    with pytest.raises(VersionGone, match="of another MLflow run now"):
        fresh().bank(name, version, deleted_run)


def test_only_the_champion_of_the_same_spec_and_data_is_adopted(registry: Registry, name: str, bank: Bank) -> None:
    assert registry.adoptable(name, "spec-a") is None
    version = registered(registry, name, bank, "a")
    registered(registry, name, bank, "b", promote=False)
    adopted = registry.adoptable(name, "spec-a")
    assert adopted is not None
    assert (adopted["version"], adopted["samples"]) == (version, 400)
    assert registry.adoptable(name, "spec-b") is None


def test_what_is_not_there_is_distinguished_from_what_does_not_answer(
    registry: Registry, name: str, bank: Bank
) -> None:
    assert registry.champion_version(name) is None
    assert registry.version_of_run(name, "a") is None
    for _absent_model_then_absent_version in range(2):
        for call in (registry.summary, registry.tags):
            with pytest.raises(LookupError):
                call(name, "7")
        registered(registry, name, bank, "a")


def test_a_candidate_is_no_champion_until_it_is_promoted(registry: Registry, name: str, bank: Bank) -> None:
    first = registered(registry, name, bank, "a")
    candidate = registered(registry, name, bank, "b", promote=False)
    assert registry.champion_version(name) == first
    for _again in range(2):
        registry.promote(name, candidate, {"twinops.approvedBy": "jane"})
        assert registry.champion_version(name) == candidate
    assert registry.tags(name, first)["twinops.replacedBy"] == candidate
    assert registry.tags(name, candidate)["twinops.approvedBy"] == "jane"
    registry.promote(name, first, {})
    assert "twinops.replacedBy" not in registry.tags(name, first)


def test_a_run_makes_one_version_however_often_it_is_delivered(registry: Registry, name: str, bank: Bank) -> None:
    first = registered(registry, name, bank, "a")
    assert registered(registry, name, bank, "a") == first
    assert registry.version_of_run(name, "a") == first
    assert registered(registry, name, bank, "b", promote=False) == "3", "the number of the second delivery is spent"
    with pytest.raises(LookupError):
        registry.tags(name, "2")


class Cancelled(Exception):  # noqa: N818 - a fact about a run
    """The run of a task is to stop."""


def stops_at(number: int) -> Callable[[], None]:
    """Return a confirmation that raises when it is asked for the `number`th time."""
    asked = itertools.count(1)

    def confirm() -> None:
        if next(asked) == number:
            raise Cancelled

    return confirm


@pytest.mark.parametrize("promote", [False, True])
def test_a_run_that_is_stopped_before_its_version_is_registered_makes_none(
    registry: Registry, name: str, bank: Bank, *, promote: bool
) -> None:
    first = registered(registry, name, bank, "a")
    with pytest.raises(Cancelled):
        registered(registry, name, bank, "b", promote=promote, confirm=stops_at(1))
    assert registry.version_of_run(name, "b") is None
    assert registry.champion_version(name) == first


def test_a_version_that_was_registered_before_its_run_was_stopped_is_not_promoted(
    registry: Registry, name: str, bank: Bank
) -> None:
    first = registered(registry, name, bank, "a")
    with pytest.raises(Cancelled):
        registered(registry, name, bank, "b", confirm=stops_at(2))
    assert registry.version_of_run(name, "b") is not None
    assert registry.champion_version(name) == first


def test_a_late_delivery_takes_nothing_back(registry: Registry, name: str, bank: Bank) -> None:
    first, second = (registered(registry, name, bank, run) for run in ("a", "b"))
    registry.serve(name, first)
    assert registry.champion_version(name) == second


async def test_a_version_is_rolled_back_with_the_reason_and_only_while_it_is_champion(
    registry: Registry, versions: Versions, name: str, bank: Bank
) -> None:
    first, second, third = (registered(registry, name, bank, run) for run in "abc")
    assert not await versions.roll_back(name, RollBack(second, first, "worse on phones", "jane"))
    assert registry.champion_version(name) == third
    for _again in range(2):
        assert await versions.roll_back(name, RollBack(third, second, "worse on phones", "jane"))
    assert registry.champion_version(name) == second
    left = registry.tags(name, third)
    assert (left["twinops.rolledBack"], left["twinops.rolledBackBy"]) == ("worse on phones", "jane")
    assert left["twinops.rolledBackTime"].endswith("Z")
    assert left["twinops.replacedBy"] == second
    assert "twinops.replacedBy" not in registry.tags(name, second)


async def test_only_a_version_that_is_there_can_be_champion(
    registry: Registry, versions: Versions, name: str, bank: Bank
) -> None:
    first = registered(registry, name, bank, "a")
    with pytest.raises(LookupError):
        registry.promote(name, "7", {})
    with pytest.raises(LookupError):
        await versions.promote(name, "7", {})
    with pytest.raises(LookupError):
        await versions.roll_back(name, RollBack(first, "7", "", "jane"))
    assert registry.champion_version(name) == first
    assert registry.tags(name, first).keys().isdisjoint({"twinops.replacedBy", "twinops.rolledBack"})


async def test_the_operator_reads_the_summary_that_a_worker_wrote(
    registry: Registry, versions: Versions, name: str, bank: Bank
) -> None:
    version = registered(registry, name, bank, "a")
    run_id = registry.summary(name, version)["runID"]
    expected = TrainedVersion.model_validate({**SUMMARY, "version": version, "runID": run_id})
    assert await versions.summary(name, version) == expected
    assert summary_in(registry.tags(name, version)) == SUMMARY
    with pytest.raises(LookupError):
        await versions.summary(name, "7")


def many_contrasts(arms: int, experiments: int) -> dict[str, Any]:
    """A summary with the contrasts of every two arms, whose numbers compress badly."""
    rng = np.random.default_rng(0)
    names = [f"experiment {number}" for number in range(experiments)]
    labels = [f"arm {number}" for number in range(arms)]
    contrasts = [
        {
            "arm": arm,
            "against": against,
            "experiments": names,
            "y": rng.normal(size=experiments).tolist(),
            "v": rng.gamma(1, size=experiments).tolist(),
            "pi": rng.dirichlet(np.ones(experiments)).tolist(),
            "sd0": 1.25,
        }
        for arm, against in permutations(labels, 2)
    ]
    features = {f"feature {number}": "Numeric" for number in range(256)}
    return {**SUMMARY, "arms": labels, "experiments": names, "features": features, "contrasts": contrasts}


async def test_the_summary_of_a_large_twin_comes_back_as_it_was(
    registry: Registry, versions: Versions, name: str, bank: Bank
) -> None:
    summary = many_contrasts(arms=32, experiments=10)
    version = registry.register(name, OWNER, bank, summary, {"twinops.run": "a"}, promote=True, confirm=go_on)
    found = await versions.summary(name, version)
    assert [contrast.as_dict() for contrast in found.contrasts] == summary["contrasts"]
    assert len(found.features) == 256


async def test_a_twin_of_hundreds_of_arms_keeps_a_figure_of_each(
    registry: Registry, versions: Versions, name: str, bank: Bank
) -> None:
    arms = ["m" * 256, "письмо", "звонок", *(f"arm {number} %" for number in range(1_000))]
    metrics = {arm_metric(R_SQUARED, arm): 0.5 for arm in arms}
    summary = {**SUMMARY, "arms": arms, "metrics": metrics}
    version = registry.register(name, OWNER, bank, summary, {"twinops.run": "a"}, promote=True, confirm=go_on)
    assert len((await versions.summary(name, version)).metrics) == len(arms)


def test_a_summary_that_is_too_large_is_refused_before_anything_is_registered(
    registry: Registry, name: str, bank: Bank
) -> None:
    summary = many_contrasts(arms=32, experiments=160)
    with pytest.raises(Stalled, match="32 arms in 160 experiments") as stalled:
        registry.register(name, OWNER, bank, summary, {"twinops.run": "a"}, promote=True, confirm=go_on)
    assert stalled.value.reason == "DataInvalid"
    assert registry.version_of_run(name, "a") is None


async def test_a_registered_model_has_its_owner_and_its_champion(
    registry: Registry, versions: Versions, name: str, bank: Bank, delete: Callable[[str], None]
) -> None:
    assert await versions.registered_model(name) is None
    assert await versions.champion(name) is None
    registered(registry, name, bank, "a", promote=False)
    assert await versions.registered_model(name) == RegisteredModel({"twinops.owner": OWNER}, None)
    second = registered(registry, name, bank, "b")
    assert await versions.registered_model(name) == RegisteredModel({"twinops.owner": OWNER}, second)
    assert await versions.champion(name) == second
    delete(name)
    assert await versions.registered_model(name) is None


async def test_the_operator_promotes_as_workers_do(
    registry: Registry, versions: Versions, name: str, bank: Bank
) -> None:
    first, candidate = registered(registry, name, bank, "a"), registered(registry, name, bank, "b", promote=False)
    for _again in range(2):
        await versions.promote(name, candidate, {"twinops.promotedBy": "ns/job"})
        assert registry.champion_version(name) == candidate
    assert registry.tags(name, first)["twinops.replacedBy"] == candidate
    assert registry.tags(name, candidate)["twinops.promotedBy"] == "ns/job"
    await versions.promote(name, first, {})
    assert registry.tags(name, candidate)["twinops.replacedBy"] == first
    assert "twinops.replacedBy" not in registry.tags(name, first)


CALLS: dict[str, Callable[[Registry], object]] = {
    "adoptable": lambda registry: registry.adoptable("n", "f"),
    "champion_version": lambda registry: registry.champion_version("n"),
    "version_of_run": lambda registry: registry.version_of_run("n", "r"),
    "check_owner": lambda registry: registry.check_owner("n", OWNER),
    "summary": lambda registry: registry.summary("n", "1"),
    "tags": lambda registry: registry.tags("n", "1"),
    "promote": lambda registry: registry.promote("n", "1", {}),
    "serve": lambda registry: registry.serve("n", "1"),
}


@pytest.mark.parametrize("call", CALLS)
def test_every_call_fails_while_the_registry_does_not_answer(away: Registry, call: str) -> None:
    with pytest.raises(ConnectionError):
        CALLS[call](away)


REQUESTS: dict[str, Callable[[Versions], Awaitable[object]]] = {
    "registered_model": lambda versions: versions.registered_model("n"),
    "claim": lambda versions: versions.claim("n", OWNER),
    "champion": lambda versions: versions.champion("n"),
    "version": lambda versions: versions.version("n", "1"),
    "summary": lambda versions: versions.summary("n", "1"),
    "promote": lambda versions: versions.promote("n", "1", {}),
    "roll_back": lambda versions: versions.roll_back("n", RollBack("2", "1", "", "jane")),
}


@pytest.mark.parametrize("request_", REQUESTS)
async def test_every_request_of_the_operator_fails_while_the_registry_does_not_answer(
    versions_away: Versions, request_: str
) -> None:
    with pytest.raises(ConnectionError):
        await REQUESTS[request_](versions_away)
