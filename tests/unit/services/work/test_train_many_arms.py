"""Trainings of treatments with many arms, long labels and labels in other scripts: versions that a status can show."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.unit.domain.tables import Table
from tests.unit.services.trainings import COLUMNS, URI, Workshop, table
from tests.unit.services.twin_models.test_listing import problems
from tests.unit.services.twin_models.test_plan import NOW, model
from twin_operator.api.v1alpha1 import TwinModelStatus
from twin_operator.services.runs.training_messages import TrainedVersion
from twin_operator.services.twin_models.status import with_new_version

ROWS_OF_AN_ARM = 60
ONE_TRIAL = {name: part for name, part in COLUMNS.items() if name != "experiment"}


def arms_table(arms: list[str]) -> Table:
    """A trial of these arms against `none`, in equal parts."""
    every = ["none", *arms]
    rows = table(ROWS_OF_AN_ARM * len(every))
    rows["arm"] = np.array(every, dtype=object)[np.arange(len(rows["arm"])) % len(every)]
    return rows


def shown(rows: Table) -> TwinModelStatus:
    """The status after a training."""
    workshop = Workshop()
    workshop.source.tables[URI] = rows
    outcome = workshop.train("run", columns=ONE_TRIAL)
    assert outcome.succeeded, outcome.message
    trained = TrainedVersion.model_validate(json.loads(json.dumps(outcome.value)))
    return with_new_version(model(), trained, NOW)


@pytest.mark.learner
@pytest.mark.parametrize("count", [33, 40])
def test_a_twin_of_more_arms_than_a_status_lists_is_trained_and_shown(count: int) -> None:
    status = shown(arms_table([f"mail {number:02}" for number in range(count)]))
    assert status.model is not None
    assert (len(status.model.arms), len(status.effects)) == (33, 32)
    assert problems(model(status)) == []


def test_an_arm_of_256_characters_and_two_in_cyrillic_keep_their_figures_apart() -> None:
    status = shown(arms_table(["m" * 256, "письмо", "звонок"]))
    assert status.model is not None
    figures = [name for name in status.model.metrics if name.startswith("r_squared")]
    assert (len(figures), max(map(len, figures))) == (4, 250)
    assert problems(model(status)) == []


@pytest.mark.parametrize("value", [1e300, 1e18, -1e16])
def test_a_missing_value_written_as_a_huge_number_is_named_by_its_column(value: float) -> None:
    rows = arms_table(["mail"])
    rows["spend"][7] = value
    workshop = Workshop()
    workshop.source.tables[URI] = rows
    outcome = workshop.train("run", columns=ONE_TRIAL)
    assert (outcome.reason, "spend" in outcome.message) == ("DataInvalid", True)


def test_outcomes_as_large_as_they_may_be_give_a_status_that_is_accepted() -> None:
    rows = arms_table(["mail"])
    rows["spend"] = np.sign(rows["spend"] - 7) * 9e14
    assert problems(model(shown(rows))) == []
