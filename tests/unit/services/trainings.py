"""A TwinModel whose table is small enough to be learned from in a moment, and the tasks of training about it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.data_source import InMemoryData
from tests.fakes.registry import InMemoryRegistry
from tests.unit.domain.tables import Table, trial
from twin_operator.services.runs.run import JSON, Outcome
from twin_operator.services.runs.training_messages import ComparisonPayload, RetrainingPayload, TrainingPayload
from twin_operator.services.work.compare_versions import validate_candidate
from twin_operator.services.work.train import TrainingAttempt, retrain_twin, train_twin

NAME = "shop.letters"
OWNER = "cluster/shop/letters/uid"
URI = "s3://shop/trials.csv"
NOW = 1_800_000_000.0
LEARNER = {"algorithm": "Linear", "folds": 2, "seed": 0}
PLAN = {**LEARNER, "seeds": 1}
COLUMNS: JSON = {
    "features": [{"name": "age", "type": "Numeric"}, {"name": "region", "type": "Categorical"}],
    "treatment": {"name": "arm", "control": "none"},
    "outcome": {"name": "spend", "type": "Continuous", "better": "Higher"},
    "experiment": "site",
}
SPEC: JSON = {
    "data": {"uri": URI},
    "columns": COLUMNS,
    "learner": LEARNER,
    "uncertainty": {"confidence": 0.95, "betweenExperimentScale": 0.25, "acceptPrior": False},
}
UNCERTAINTY = {"confidence": 0.95, "between_experiment_scale": 0.25, "accept_prior": False}


def table(rows: int = 200, **changes: Any) -> Table:
    """A trial on two sites."""
    return trial(rows, sites=2, **changes)


@dataclass
class Workshop:
    """A worker with the data and the registry that it reaches.

    Attributes:
        progress: what was reported of the last task: the share done, and a phrase.
        confirm: raises where the run is to stop.
    """

    source: InMemoryData = field(default_factory=lambda: InMemoryData({URI: table()}))
    registry: InMemoryRegistry = field(default_factory=InMemoryRegistry)
    progress: list[tuple[float, str]] = field(default_factory=list)
    confirm: Callable[[], None] = lambda: None

    def train(self, run: str, *, owner: str = OWNER, **spec: Any) -> Outcome:
        """Carry out a training task."""
        payload = TrainingPayload.model_validate(self._payload(run, owner, spec))
        return train_twin(payload, self._attempt())

    def retrain(self, run: str, *, owner: str = OWNER, plan: JSON = PLAN, **spec: Any) -> Outcome:
        """Carry out a retraining task."""
        payload = {**self._payload(run, owner, spec), "job": "job-uid", "trigger": "NewData", "plan": plan}
        message = RetrainingPayload.model_validate(payload)
        return retrain_twin(message, self._attempt())

    def _attempt(self) -> TrainingAttempt:
        return TrainingAttempt(self.source, self.registry, self._report(), lambda: NOW, self.confirm)

    def compare(
        self,
        candidate: Outcome,
        champion: Outcome,
        ledger: list[JSON] | None = None,
        regression: float = 0.0,
        mlflow_runs: dict[str, str] | None = None,
    ) -> Outcome:
        """Carry out a gate task."""
        payload = {
            "run": "gate",
            "registeredModel": NAME,
            "candidate": candidate.value["version"],
            "champion": champion.value["version"],
            "mlflowRuns": mlflow_runs or {},
            "uncertainty": UNCERTAINTY,
            "gate": {"maxRegression": regression},
            "ledger": ledger or [],
            "plans": {champion.value["version"]: champion.value["plan"]},
        }
        return validate_candidate(ComparisonPayload.model_validate(payload), self.registry, self._report())

    @property
    def champion(self) -> str | None:
        """The version that serves."""
        return self.registry.champion_version(NAME)

    def _payload(self, run: str, owner: str, spec: JSON) -> JSON:
        return {"spec": {**SPEC, **spec}, "registeredModel": NAME, "owner": owner, "run": run}

    def _report(self) -> Any:
        self.progress.clear()
        return lambda share, phrase: self.progress.append((share, phrase))
