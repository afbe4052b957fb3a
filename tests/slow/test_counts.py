"""Versions, promotions, archived Simulations and outcomes after deletions, re-creations and stops are counted.

Every moment of a run is tried on the in-memory adapters (`tests/unit/services/test_stops.py`); these are the real ones.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import pytest
from sqlalchemy import create_engine, func, select

from tests.integration.journey import experiments, held_data
from tests.integration.journey.campaign import question
from tests.integration.journey.platform_fixture import Platform
from tests.slow import foreign_models
from twin_operator.adapters.sql_archive.schema import OUTCOMES, SIMULATIONS

EFFECT = 0.15
FOREIGN = ("churn.counted-scores", "counts.other")
"""One with a name of its own, and one with the name that a TwinModel of the namespace would have."""
TWIN = "survey"
JSON = dict[str, Any]


class Counts(NamedTuple):
    """What there is of a twin: versions, promotions, archived Simulations, recorded outcomes."""

    versions: list[str]
    champion: str
    simulations: int
    outcomes: int


def counts(platform: Platform) -> Counts:
    engine = create_engine(platform.archive_url)
    with engine.connect() as connection:
        simulations = connection.scalar(select(func.count()).where(SIMULATIONS.c.model == TWIN))
        outcomes = connection.scalar(select(func.count()).select_from(OUTCOMES))
    engine.dispose()
    return Counts(platform.versions(TWIN), platform.champion(TWIN), int(simulations or 0), int(outcomes or 0))


def spec(platform: Platform, file: str = "survey.csv", **changes: Any) -> JSON:
    return experiments.spec(f"file://{platform.data}/{file}", **changes)


def make(platform: Platform, **changes: Any) -> None:
    """Have the twin trained, or a version of it adopted."""
    platform.apply("TwinModel", TWIN, spec(platform, **changes))
    platform.until_phase("TwinModel", TWIN, "Ready")


def delete(platform: Platform, kind: str, name: str) -> None:
    platform.kube.kubectl("delete", kind, name, "-n", platform.namespace)


def grade(platform: Platform, name: str, experiment: str) -> None:
    """Ask, record the outcome, and wait until both are archived."""
    before = counts(platform)
    platform.apply("Simulation", name, question(TWIN))
    estimate = platform.until_phase("Simulation", name, "Succeeded")["status"]["effect"]["estimate"]
    observed = {"experiment": experiment, "effect": estimate, "standardError": 0.02}
    platform.patch("Simulation", name, {"observed": observed})
    wanted = (before.simulations + 1, before.outcomes + 1)
    platform.kube.until(lambda: counts(platform)[2:] == wanted)


def stopped(platform: Platform, uid: str, why: str) -> bool:
    """Whether the worker has stopped a run of an object."""
    return re.search(f"Run {uid}.* stops: {why}", platform.workers["heavy"].log.read_text()) is not None


@pytest.fixture(scope="module")
def graded(platform: Platform) -> Platform:
    """The platform with a twin, one outcome, and models of others."""
    for name in FOREIGN:
        foreign_models.register(platform.mlflow_url, name)
    experiments.write(platform.data / "survey.csv", experiments.rows(["first"], EFFECT))
    make(platform)
    grade(platform, "first", "later-0")
    assert counts(platform) == Counts(["1"], "1", 1, 1)
    return platform


def test_deletions_recreations_and_stops_leave_what_they_should_and_nothing_of_others_changes(graded: Platform) -> None:
    foreign = {name: foreign_models.content(graded.mlflow_url, name) for name in FOREIGN}

    # Made again from the same spec and data: its version is adopted, and its history is kept.
    delete(graded, "twinmodel", TWIN)
    make(graded)
    assert counts(graded) == Counts(["1"], "1", 1, 1)
    assert graded.get("TwinModel", TWIN)["status"]["fidelity"]["validations"] == 1

    # A training that is deleted while it reads its data registers nothing.
    delete(graded, "twinmodel", TWIN)
    held_data.hold(graded.data / "held.csv")
    graded.apply("TwinModel", TWIN, spec(graded, "held.csv"))
    graded.until_condition("TwinModel", TWIN, "Reconciling", "Training")
    uid = graded.get("TwinModel", TWIN)["metadata"]["uid"]
    delete(graded, "twinmodel", TWIN)
    graded.kube.until(lambda: stopped(graded, uid, "deleted"))
    held_data.release(graded.data / "held.csv", graded.data / "survey.csv")
    assert counts(graded) == Counts(["1"], "1", 1, 1)

    # Made again with other data: one version more, which is promoted.
    experiments.write(graded.data / "other.csv", experiments.rows(["first"], EFFECT, seed=2))
    make(graded, file="other.csv")
    assert counts(graded) == Counts(["1", "2"], "2", 1, 1)

    # A job that is cancelled, and one that is deleted, before either is approved.
    for name, end in (("cancelled", {"cancel": True}), ("deleted", None)):
        graded.apply("RetrainingJob", name, {"modelRef": {"name": TWIN}, "overrideCooldown": True})
        graded.until_phase("RetrainingJob", name, "AwaitingApproval")
        if end is None:
            delete(graded, "retrainingjob", name)
        else:
            graded.patch("RetrainingJob", name, end)
            graded.until_phase("RetrainingJob", name, "Cancelled")
    assert counts(graded) == Counts(["1", "2"], "2", 1, 1)

    # A Simulation that is deleted is kept in the archive, and so is its outcome.
    grade(graded, "second", "later-1")
    delete(graded, "simulation", "second")
    graded.apply("Simulation", "third", question(TWIN))
    graded.until_phase("Simulation", "third", "Succeeded")
    graded.kube.until(lambda: counts(graded) == Counts(["1", "2"], "2", 3, 2))

    # A name that another team has in MLflow is refused, and stays theirs.
    graded.apply("TwinModel", "other", spec(graded))
    graded.until_condition("TwinModel", "other", "Stalled", "RegisteredModelTaken")
    delete(graded, "twinmodel", "other")
    assert {name: foreign_models.content(graded.mlflow_url, name) for name in FOREIGN} == foreign
