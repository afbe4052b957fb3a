"""A training that is stopped while a real worker trains registers nothing, however its message comes back."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient

from tests.integration.worker.workplace import QUEUE, Worker, Workplace, until
from twin_operator.services.runs.run import JSON, Stop, Target, Task, TaskKind
from twin_operator.services.runs.training_messages import RetrainingPayload, TrainingPayload

pytestmark = pytest.mark.slow
LEASE_SECONDS = "3"  # so that a worker learns of a stop within one
SLOW: JSON = {"algorithm": "RandomForest", "folds": 10, "seed": 0}
QUICK: JSON = {"algorithm": "Linear", "folds": 2, "seed": 0}
ROWS = 20_000  # a forest on these takes much longer than a lease


class Site:
    """A worker with data, Redis and MLflow, and the registered model of one test."""

    def __init__(self, place: Workplace, mlflow: str, folder: Path) -> None:
        self.place, self.mlflow, self.data = place, MlflowClient(mlflow), folder / "past.csv"
        self.name = f"ns.{uuid.uuid4().hex[:8]}"
        allow, cache = f'["file://{folder}/"]', str(folder / "cache")
        self.worker: Worker = place.trainer(
            "one", lease_seconds=LEASE_SECONDS, mlflow_tracking_uri=mlflow, data_allow=allow, bank_directory=cache
        )
        rng = np.random.default_rng(0)
        age, arm = rng.normal(50, 10, ROWS), np.arange(ROWS) % 2
        lines = [f"{'AB'[a]},{x:.4f},{x + 2 * a + rng.normal(0, 2):.4f}" for a, x in zip(arm, age, strict=True)]
        self.data.write_text("\n".join(["arm,age,y", *lines, ""]))

    def task(self, kind: TaskKind, learner: JSON) -> Task:
        """Return a task that trains a version."""
        run = uuid.uuid4().hex
        payload: JSON = {"spec": self._spec(learner), "registeredModel": self.name, "owner": "c/ns/twin/u", "run": run}
        if kind is TaskKind.RETRAIN:
            more = {"job": "job-uid", "trigger": "Manual", "plan": learner}
            wire = RetrainingPayload.model_validate({**payload, **more}).wire()
        else:
            wire = TrainingPayload.model_validate(payload).wire()
        return Task(run, kind, QUEUE, Target("RetrainingJob", "ns", "again", "uid"), 3, wire)

    def _spec(self, learner: JSON) -> JSON:
        return {
            "data": {"uri": f"file://{self.data}"},
            "columns": {
                "features": [{"name": "age", "type": "Numeric"}],
                "treatment": {"name": "arm", "control": "A"},
                "outcome": {"name": "y", "type": "Continuous", "better": "Higher"},
            },
            "learner": learner,
        }

    def logged(self, text: str) -> bool:
        """Whether the worker's log has a text."""
        return text in self.worker.log.read_text()

    def versions(self) -> list[Any]:
        """Return the versions of the registered model."""
        return list(self.mlflow.search_model_versions(f"name = '{self.name}'"))

    def champions(self) -> dict[str, str]:
        """Return the aliases of the registered model."""
        return dict(self.mlflow.get_registered_model(self.name).aliases)


@pytest.mark.parametrize("forgotten", [False, True])
@pytest.mark.parametrize(("kind", "why"), [(TaskKind.RETRAIN, Stop.CANCELLED), (TaskKind.TRAIN, Stop.DELETED)])
async def test_a_training_that_is_stopped_while_it_runs_registers_and_promotes_nothing(
    place: Workplace, mlflow_server: Any, tmp_path: Path, kind: TaskKind, why: Stop, *, forgotten: bool
) -> None:
    site = Site(place, mlflow_server.url, tmp_path)
    place.ready(site.worker)
    stopped = site.task(kind, SLOW)
    await place.broker.publish([stopped])
    until(lambda: site.logged(f"Run {stopped.run}:") and site.logged("rows read"))
    await place.broker.stop(stopped.run, why)
    if forgotten:
        await place.broker.forget([stopped.run])
    until(lambda: site.logged(f"Run {stopped.run} stops: "))
    verdict = Stop.CANCELLED if forgotten else why
    until(lambda: site.logged(f"Run {stopped.run} of ns/again: {verdict}."))  # its message came back and was refused
    assert (site.versions(), site.champions()) == ([], {})
    assert "outcome" not in place.record(stopped)
    following = site.task(TaskKind.TRAIN, QUICK)
    await place.broker.publish([following])
    until(lambda: place.outcome(following))
    (version,) = site.versions()
    assert (version.tags["twinops.run"], site.champions()) == (following.run, {"champion": version.version})
