"""A first training, as a worker carries it out: one version a run, which serves, or a reason why there is none."""

from typing import Any

import numpy as np
import pytest

from tests.unit.services.trainings import COLUMNS, LEARNER, NAME, OWNER, SPEC, URI, Workshop, table
from twin_operator.api.v1alpha1 import TwinModelSpec
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.domain.twin import Contrast
from twin_operator.services.reconciling.errors import Stalled
from twin_operator.services.runs.twin_spec import spec_digest


@pytest.fixture
def workshop() -> Workshop:
    return Workshop()


def test_a_training_registers_a_version_that_serves(workshop: Workshop) -> None:
    outcome = workshop.train("run")
    assert (outcome.reason, outcome.message) == ("Succeeded", "Version 1 was learned from 200 rows.")
    assert outcome.value == workshop.registry.summary(NAME, "1")
    assert workshop.champion == "1"
    assert workshop.registry.bank(NAME, "1", None).rows == 200


def test_the_summary_says_what_was_learned_from_what(workshop: Workshop) -> None:
    value = workshop.train("run").value
    assert value["specDigest"] == spec_digest(TwinModelSpec.model_validate(SPEC))
    assert value["dataDigest"].startswith("sha256:")
    assert value["trainedTime"] == "2027-01-15T08:00:00Z"
    assert (value["samples"], value["arms"], value["experiments"]) == (200, ["none", "letter"], ["site 00", "site 01"])
    assert value["features"] == {"age": "Numeric", "region": "Categorical"}
    assert (value["algorithm"], value["plan"]) == ("Linear", {**LEARNER, "seeds": 3})
    assert [effect["arm"] for effect in value["effects"]] == ["letter"]
    assert value["assignmentNotRandom"] is None


def test_the_summary_holds_the_contrasts_that_simulations_are_weighed_by(workshop: Workshop) -> None:
    contrasts = [Contrast.from_dict(each) for each in workshop.train("run").value["contrasts"]]
    assert {(contrast.arm, contrast.against) for contrast in contrasts} == {("letter", "none"), ("none", "letter")}
    assert all(contrast.experiments == ("site 00", "site 01") for contrast in contrasts)


def test_a_version_is_tagged_with_its_run_and_with_what_it_was_made_from(workshop: Workshop) -> None:
    value = workshop.train("run").value
    tags = workshop.registry.tags(NAME, "1")
    assert tags["twinops.run"] == "run"
    assert tags["twinops.fingerprint"] == f"{value['specDigest']}:{value['dataDigest']}"


def test_progress_starts_with_the_rows_and_goes_up_to_one(workshop: Workshop) -> None:
    workshop.train("run")
    shares = [share for share, _ in workshop.progress]
    assert workshop.progress[0] == (0.0, "200 rows read")
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_run_that_is_delivered_again_makes_no_second_version_and_reads_nothing(workshop: Workshop) -> None:
    first = workshop.train("run")
    workshop.source.tables.clear()
    again = workshop.train("run")
    assert (again.value, again.message) == (first.value, "Version 1 is of this run already.")
    assert workshop.source.reads == [URI]


def test_a_run_that_was_interrupted_before_its_version_served_lets_it_serve(workshop: Workshop) -> None:
    workshop.retrain("run")
    assert workshop.champion is None
    workshop.train("run")
    assert workshop.champion == "1"


def test_a_run_that_is_delivered_again_late_does_not_replace_a_newer_champion(workshop: Workshop) -> None:
    workshop.train("run")
    workshop.train("another", learner={**LEARNER, "seed": 1})
    workshop.train("run")
    assert workshop.champion == "2"


def test_a_champion_of_the_same_spec_and_data_is_adopted(workshop: Workshop) -> None:
    first = workshop.train("run")
    adopted = workshop.train("another")
    assert adopted.value == first.value
    assert adopted.message == f"Version 1 of {NAME} fits this spec and data."
    assert workshop.registry.version_of_run(NAME, "another") is None


@pytest.mark.parametrize(
    ("rows", "spec"),
    [
        (220, {}),
        (200, {"learner": {**LEARNER, "seed": 1}}),
        (200, {"columns": {**COLUMNS, "features": COLUMNS["features"][:1]}}),
    ],
    ids=["data", "learner", "columns"],
)
def test_another_spec_or_other_data_gives_another_version(workshop: Workshop, rows: int, spec: dict[str, Any]) -> None:
    workshop.train("run")
    workshop.source.tables[URI] = table(rows)
    assert workshop.train("another", **spec).value["version"] == "2"
    assert workshop.champion == "2"


def test_the_registered_model_of_another_twin_is_refused_before_anything_is_read(workshop: Workshop) -> None:
    workshop.registry.check_owner(NAME, "cluster/shop/others/uid")
    assert workshop.train("run").reason == "RegisteredModelTaken"
    assert workshop.source.reads == []


def test_the_registered_model_of_a_twin_that_was_made_again_is_its_own(workshop: Workshop) -> None:
    workshop.registry.check_owner(NAME, OWNER)
    assert workshop.train("run", owner="cluster/shop/letters/another-uid").succeeded


@pytest.mark.parametrize("reason", [Reason.DATA_NOT_READABLE, Reason.ADDRESS_NOT_ALLOWED, Reason.DATA_INVALID])
def test_data_that_cannot_be_had_is_the_reason(workshop: Workshop, reason: Reason) -> None:
    workshop.source.refusals[URI] = Stalled(reason, "What to do about it.")
    outcome = workshop.train("run")
    assert (outcome.reason, outcome.message, outcome.value) == (reason, "What to do about it.", {})
    assert workshop.registry.version_of_run(NAME, "run") is None


def test_rows_that_cannot_be_learned_from_are_the_reason(workshop: Workshop) -> None:
    workshop.source.tables[URI] = {**table(), "spend": np.ones(200)}
    outcome = workshop.train("run")
    assert (outcome.reason, outcome.value) == ("DataInvalid", {})
    assert "spend" in outcome.message
    assert workshop.champion is None


class Cancelled(Exception):  # noqa: N818 - a fact about a run
    """The run of the task is to stop."""


def test_a_version_whose_run_was_stopped_before_it_served_is_not_promoted_by_a_later_delivery(
    workshop: Workshop,
) -> None:
    workshop.train("run")
    workshop.registry.remove_champion(NAME)

    def cancelled() -> None:
        raise Cancelled

    workshop.confirm = cancelled
    with pytest.raises(Cancelled):
        workshop.train("run")
    assert (workshop.registry.versions(NAME), workshop.champion) == (["1"], None)
