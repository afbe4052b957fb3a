"""Reasons and fields of status that no other test of controllers sees: real worker code, from a table to the status."""

from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pytest

from tests.fakes.attempts import untraced
from tests.fakes.data_source import InMemoryData, Table
from tests.fakes.installation import Installation
from tests.fakes.ready_twin import install_twin, simulation
from tests.unit.domain.tables import trial
from tests.unit.services.letters import COLUMNS, EFFECT, LEARNER, MODEL, QUEUES, observe, serving, twin_model
from tests.unit.services.letters import job as retraining_job
from twin_operator.adapters.data_source import AllowedPrefix, FileDataSource
from twin_operator.services.runs.run import JSON, Outcome, Task, TaskKind
from twin_operator.services.work.train import DataSource
from twin_operator.worker.main import work_of

pytestmark = pytest.mark.looptime
URI: Final = "s3://shop/past.csv"
FEATURES: Final = [{"name": "age", "type": "Numeric"}, {"name": "region", "type": "Categorical"}]
ROWS: Final = 400


def columns(**changes: Any) -> JSON:
    usual = {
        "features": FEATURES,
        "treatment": {"name": "arm", "control": "none"},
        "outcome": {"name": "spend", "type": "Continuous", "better": "Higher"},
        "experiment": "site",
    }
    return {**usual, **changes}


def customers(**changes: Any) -> Table:
    return {**trial(ROWS, sites=2), **changes}


def by_age(table: Table) -> Table:
    """Give the letter to the old."""
    old = table["age"] > np.median(table["age"])
    return {**table, "arm": np.where(old, "letter", "none").astype(object)}


def employ(site: Installation, source: DataSource) -> None:
    """Have a worker carry out every kind of task, as `work_of` has it done."""
    attempts = untraced()
    work = work_of(site.registry, lambda _namespace: source, attempts, site.now, lambda _task: None)

    def answer(task: Task) -> Outcome:
        return work[task.kind](task)

    site.employ(answer, (*QUEUES, "simulations"))


async def settled(site: Installation, source: DataSource, phase: str, **spec: Any) -> JSON:
    """Have a TwinModel trained, or refused; return its status."""
    employ(site, source)
    site.apply(twin_model(**{"data": {"uri": URI}, "columns": columns(), **spec}))
    return await site.until_phase(*MODEL, phase)


# Training.


async def test_arms_that_went_to_different_kinds_of_units_are_no_basis() -> None:
    async with Installation() as site:
        data = InMemoryData({URI: by_age(customers())})
        observational = columns(assignment="Observational")
        await settled(site, data, "Failed", columns=observational, learner={**LEARNER, "folds": 2})
        assert site.condition(*MODEL)["reason"] == "NoOverlap"


async def test_an_assignment_that_features_predict_is_a_warning() -> None:
    async with Installation() as site:
        await settled(site, InMemoryData({URI: by_age(customers())}), "Ready")
        warning = site.condition(*MODEL, "AssignmentNotRandom")
        assert (warning["status"], warning["reason"]) == ("True", "AssignmentNotRandom")


async def test_rows_without_an_arm_are_a_warning() -> None:
    async with Installation() as site:
        table = customers()
        arm = table["arm"].copy()
        arm[:3] = None
        await settled(site, InMemoryData({URI: {**table, "arm": arm}}), "Ready")
        warning = site.condition(*MODEL, "DataWarning")
        assert (warning["status"], warning["reason"]) == ("True", "DataWarning")
        assert "rows without an arm" in warning["message"]


async def test_an_address_that_the_installation_does_not_allow_is_not_read() -> None:
    async with Installation() as site:
        await settled(
            site,
            FileDataSource([AllowedPrefix("file:///data/")], "default"),
            "Failed",
            data={"uri": "file:///etc/passwd"},
        )
        assert site.condition(*MODEL)["reason"] == "AddressNotAllowed"


async def test_a_training_waits_for_a_worker_of_the_pool_that_serves_its_queue() -> None:
    async with Installation() as site:
        pool = {"queues": ["training"], "autoscaling": {"maxReplicas": 2}}
        metadata = {"name": "heavy", "namespace": "default"}
        site.apply({"apiVersion": "twinops.dev/v1alpha1", "kind": "WorkerPool", "metadata": metadata, "spec": pool})
        site.apply(twin_model())
        await site.until(lambda: site.condition(*MODEL).get("reason") == "WaitingForWorker")


async def test_the_time_of_the_newest_row_is_shown() -> None:
    async with Installation({"data_watch_seconds": 60}) as site:
        times = np.array(["2026-12-01"] * ROWS, dtype="datetime64[s]")
        await settled(site, InMemoryData({URI: customers(day=times)}), "Ready", columns=columns(time="day"))
        await site.until(lambda: site.status(*MODEL).get("data"), seconds=200)
        assert site.status(*MODEL)["data"]["newestRowTime"] == "2026-12-01T00:00:00Z"


# Simulations.


async def test_arms_that_no_experiment_compared_are_not_comparable() -> None:
    async with Installation() as site:
        table = customers()
        second = table["site"] == table["site"].max()
        arm = np.where(second & (table["arm"] == "none"), "call", table["arm"]).astype(object)
        arm = np.where(second & (table["arm"] == "letter"), "visit", arm).astype(object)
        await settled(site, InMemoryData({URI: {**table, "arm": arm}}), "Ready")
        site.apply(simulation(model="letters", intervention={"arm": "visit", "against": "letter"}))
        await site.until_phase("Simulation", "question", "Failed")
        assert site.condition("Simulation", "question")["reason"] == "ArmsNotCompared"


@pytest.mark.parametrize(
    ("clause", "reason"),
    [
        ({"feature": "region", "operator": "In", "values": ["Atlantis"]}, "UnknownLevel"),
        ({"feature": "age", "operator": "GreaterThan", "values": ["69"]}, "OutsideSupport"),
    ],
)
async def test_a_population_that_the_data_cannot_speak_for_is_refused(clause: JSON, reason: str) -> None:
    async with Installation() as site:
        install_twin(site)
        site.employ()
        site.apply(simulation(population={"where": [clause]}))
        await site.until_phase("Simulation", "question", "Failed")
        assert site.condition("Simulation", "question")["reason"] == reason


async def test_a_population_of_a_size_has_an_outcome_and_a_detectable_effect() -> None:
    async with Installation() as site:
        install_twin(site)
        site.employ()
        site.apply(simulation(population={"size": 10_000}))
        status = await site.until_phase("Simulation", "question", "Succeeded")
        assert status["outcome"]["incremental"]["expected"] == pytest.approx(10_000 * status["effect"]["estimate"])
        assert status["outcome"]["trial"]["low"] < status["outcome"]["trial"]["high"]
        assert status["trial"]["minimumDetectableEffect"] > 0


# Fidelity and retraining.

LENIENT: Final = {"threshold": 0, "minValidations": 2, "maxMeanRelativeError": 10, "minIntervalCoverage": 0}


@pytest.mark.parametrize(
    ("policy", "effect", "reason"),
    [
        ({**LENIENT, "minIntervalCoverage": 0.9}, -0.5, "CoverageDrop"),
        ({**LENIENT, "maxMeanRelativeError": 0.1}, -0.5, "PredictionError"),
        ({**LENIENT, "maxMeanRelativeError": 0.001}, 0.08, "WithinChance"),
    ],
)
async def test_each_threshold_has_its_own_reason(policy: JSON, effect: float, reason: str) -> None:
    async with Installation() as site:
        await serving(site, fidelity=policy)
        for number in range(8):
            observe(site, number, effect)
        await site.until(lambda: site.condition(*MODEL, "Faithful").get("reason") == reason)


@pytest.mark.parametrize(
    ("retraining", "rows", "reason"),
    [({"minSamples": 1000}, 50, "TooFewSamples"), ({"maxDataAge": "24h"}, 5000, "DataTooOld")],
)
async def test_what_new_data_lacks_is_a_condition(retraining: JSON, rows: int, reason: str) -> None:
    async with Installation({"data_watch_seconds": 60}) as site:
        workers = await serving(site, retraining=retraining)
        workers.digest, workers.rows, workers.new_rows = "sha256:second", rows, 40
        workers.newest = datetime(2020, 1, 1, tzinfo=UTC)
        await workers.do(TaskKind.VALIDATE)
        await site.until(lambda: site.condition(*MODEL, "Retrainable").get("reason") == reason, seconds=200)


async def test_a_schedule_that_is_never_due_is_a_condition() -> None:
    async with Installation() as site:
        await serving(site, retraining={"schedule": "0 0 31 2 *"})
        await site.until(lambda: site.condition(*MODEL, "Retrainable").get("reason") == "InvalidSchedule")


async def test_a_comparison_that_runs_is_validating() -> None:
    async with Installation() as site:
        pool = {"queues": ["training", "validation"], "autoscaling": {"maxReplicas": 2}}
        metadata = {"name": "heavy", "namespace": "default"}
        site.apply({"apiVersion": "twinops.dev/v1alpha1", "kind": "WorkerPool", "metadata": metadata, "spec": pool})
        workers = await serving(site)
        site.apply(retraining_job(approval={"approved": True, "by": "jane"}))
        await site.until_phase("RetrainingJob", "again", "Training")
        await workers.do(TaskKind.RETRAIN)
        await site.until(lambda: site.condition("RetrainingJob", "again").get("reason") == "Validating")


YES: Final[JSON] = {"approval": {"approved": True, "by": "jane"}}


async def test_a_trend_of_the_effect_leaves_old_experiments_out() -> None:
    async with Installation() as site:
        workers = await serving(site, columns={**COLUMNS, "time": "day"})
        for number in range(10):
            observe(site, number, EFFECT + 0.03 * number)
            await site.advance(20)
        site.apply(retraining_job(trigger={"type": "PredictionError"}, **YES))
        await site.until_phase("RetrainingJob", "again", "Training")
        await workers.do(TaskKind.RETRAIN)
        status = await site.until_phase("RetrainingJob", "again", "Validating")
        assert status["plan"]["newestOnly"]
        assert "the effect changes over time" in status["plan"]["reason"]


async def test_versions_are_compared_on_the_outcomes_that_are_known() -> None:
    async with Installation() as site:
        await settled(site, InMemoryData({URI: customers()}), "Ready")
        for number in range(3):
            observe(site, number, 1.0)
        await site.until(lambda: len(site.archive.outcomes(site.twin("letters"))) == 3)
        site.apply(retraining_job(**YES))
        status = await site.until_phase("RetrainingJob", "again", "Completed")
        assert status["candidate"]["backtestScore"] > 0
        assert status["champion"]["backtestScore"] > 0
