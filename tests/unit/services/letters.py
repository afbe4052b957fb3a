"""An installation with one TwinModel, and workers that train, compare and read data without learning anything."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np

from tests.fakes.cluster import CLUSTER_UID
from tests.fakes.installation import Installation
from twin_operator.api.v1alpha1 import TwinModelSpec
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.api.v1alpha1.retraining_job import Contender, GateResult
from twin_operator.domain.learning.training_plan import TrainingPlan
from twin_operator.domain.table.columns import FeatureType
from twin_operator.domain.twin import ArmEffect, Contrast
from twin_operator.services.runs.run import JSON, Outcome, Task, TaskKind
from twin_operator.services.runs.times import moment, timestamp
from twin_operator.services.runs.training_messages import (
    Comparison,
    ComparisonPayload,
    DataCheckPayload,
    DataFound,
    DataUnchanged,
    KnownData,
    RetrainingPayload,
    Summary,
    TrainingPayload,
)
from twin_operator.services.runs.twin_spec import learner_of, spec_digest
from twin_operator.services.work.train import refusals_as_outcomes

API = "twinops.dev/v1alpha1"
NAME = "letters"
REGISTERED = "default.letters"
MODEL = ("TwinModel", NAME)
QUEUES = ("training", "validation")
LEARNER = {"algorithm": "Linear", "folds": 5, "seed": 0}
COLUMNS: JSON = {
    "features": [{"name": "age", "type": "Numeric"}],
    "treatment": {"name": "arm", "control": "none"},
    "outcome": {"name": "spend", "type": "Continuous", "better": "Higher"},
    "experiment": "site",
}
CONTRAST = Contrast(
    arm="letter",
    against="none",
    experiments=tuple(f"past-{number}" for number in range(8)),
    y=np.linspace(0.068, 0.078, 8),
    v=np.full(8, 0.005**2),
    pi=np.full(8, 1 / 8),
    sd0=0.3,
)
EFFECT = 0.073


def twin_model(**spec: Any) -> JSON:
    """A TwinModel whose data nobody has read yet."""
    usual = {"data": {"uri": "s3://shop/past.csv"}, "columns": COLUMNS, "learner": LEARNER}
    return {"apiVersion": API, "kind": "TwinModel", "metadata": {"name": NAME}, "spec": {**usual, **spec}}


def job(name: str = "again", **spec: Any) -> JSON:
    """A RetrainingJob that a user makes."""
    full = {"modelRef": {"name": NAME}, **spec}
    return {"apiVersion": API, "kind": "RetrainingJob", "metadata": {"name": name}, "spec": full}


def observe(site: Installation, number: int, effect: float, version: str = "1", model: str = NAME) -> None:
    """Have a Simulation whose prediction was `EFFECT`, and whose experiment has found an effect."""
    told = {"experiment": f"new-{number}", "effect": effect, "standardError": 0.004}
    spec = {"modelRef": {"name": model}, "intervention": {"arm": "letter"}, "observed": told}
    name = f"question-{version}-{number}"
    site.apply({"apiVersion": API, "kind": "Simulation", "metadata": {"name": name}, "spec": spec})
    basis = {
        "against": "none",
        "samplingSD": 0.002,
        "experimentShareSquared": 0.125,
        "degreesOfFreedom": 9998,
        "controlSD": 0.3,
        "treatedSD": 0.35,
        "weightsDigest": "lost",
    }
    status = {
        "phase": "Succeeded",
        "registeredModel": f"default.{model}",
        "modelVersion": version,
        "completionTime": timestamp(site.now()),
        "effect": {"estimate": EFFECT, "standardError": 0.006},
        "basis": basis,
        "population": {"share": 1.0},
    }
    site.cluster.patch_status("Simulation", "default", name, {"status": status})


@dataclass
class Workers:
    """Workers for the queues of training and validation. Their versions are in the registry, their numbers made up.

    Attributes:
        site: the installation.
        digest, rows, new_rows, newest: what reading the data finds.
        refusal: how a training ends instead of with a version.
        unreadable: the outcome of a data check that fails.
        better: whether candidates pass the gate.
        done: the tasks that were carried out.
    """

    site: Installation
    digest: str = "sha256:first"
    rows: int = 5_000
    new_rows: int = 0
    newest: datetime | None = None
    refusal: Outcome | None = None
    unreadable: Outcome | None = None
    better: bool = True
    done: list[Task] = field(default_factory=list)

    def work(self) -> list[TaskKind]:
        """Do what waits now, and return the kinds of tasks that were done."""
        return [task.kind for task in self.site.work(self, QUEUES)]

    async def do(self, kind: TaskKind) -> None:
        """Wait for a task of a kind, and do it and what else waits."""
        await self.site.until(lambda: kind in self.work())

    def __call__(self, task: Task) -> Outcome:
        """Carry out a task, as `worker_graph` has it done."""
        self.done.append(task)
        work = {
            TaskKind.TRAIN: self._train,
            TaskKind.RETRAIN: self._retrain,
            TaskKind.GATE: self._compare,
            TaskKind.VALIDATE: self._read,
        }
        return refusals_as_outcomes(lambda: work[task.kind](task.payload))

    def count(self, kind: TaskKind) -> int:
        """Return how many tasks of a kind were carried out."""
        return len([task for task in self.done if task.kind is kind])

    def _train(self, value: JSON) -> Outcome:
        payload = TrainingPayload.model_validate(value)
        return self._learned(payload, TrainingPlan.of(learner_of(payload.spec)), promote=True)

    def _retrain(self, value: JSON) -> Outcome:
        payload = RetrainingPayload.model_validate(value)
        return self._learned(payload, payload.plan, promote=False)

    def _learned(self, payload: TrainingPayload, plan: TrainingPlan, *, promote: bool) -> Outcome:
        if self.refusal is not None:
            return self.refusal
        registry, name = self.site.registry, payload.registered_model
        registry.check_owner(name, payload.owner)
        made = registry.version_of_run(name, payload.run)
        tags, summary = {"twinops.run": payload.run}, self._summary(payload.spec, replace(plan, seeds=1))
        version = made or registry.register(name, payload.owner, None, summary.wire(), tags, promote=promote)
        return Outcome(Reason.SUCCEEDED, "", registry.summary(name, version))

    def _summary(self, spec: TwinModelSpec, plan: TrainingPlan) -> Summary:
        return Summary(
            data_digest=self.digest,
            spec_digest=spec_digest(spec),
            samples=self.rows,
            arms=("none", "letter"),
            experiments=CONTRAST.experiments,
            features={"age": FeatureType.NUMERIC},
            algorithm=plan.algorithm,
            plan=plan,
            metrics={"loss": 0.5},
            effects=(ArmEffect("letter", EFFECT, 0.006, 0.061, 0.085, 0.95, calibrated=True),),
            contrasts=(CONTRAST, CONTRAST.reversed()),
            trained_time=moment(self.site.now()),
        )

    def _compare(self, value: JSON) -> Outcome:
        payload = ComparisonPayload.model_validate(value)
        words = "Passed: it is as good." if self.better else "Not better: it is worse."
        comparison = Comparison(
            candidate=Contender(version=payload.candidate, loss=0.4),
            champion=Contender(version=payload.champion, loss=0.5),
            gate=GateResult(passed=self.better, message=words),
        )
        return Outcome(Reason.SUCCEEDED, words, comparison.wire())

    def _read(self, value: JSON) -> Outcome:
        if self.unreadable is not None:
            return self.unreadable
        known = DataCheckPayload.model_validate(value).known or KnownData()
        stamp = f"etag {self.digest}"
        if known.digest == self.digest:
            return Outcome(Reason.SUCCEEDED, "", DataUnchanged(stamp=stamp).wire())
        found = DataFound(
            stamp=stamp, digest=self.digest, rows=self.rows, new_rows=self.new_rows, newest_row_time=self.newest
        )
        return Outcome(Reason.SUCCEEDED, "", found.wire())


async def serving(site: Installation, **spec: Any) -> Workers:
    """Have a TwinModel trained, and return its workers; its first version serves."""
    workers = Workers(site)
    site.apply(twin_model(**spec))
    await site.until_phase(*MODEL, "Training")
    workers.work()
    await site.until(lambda: version(site) == "1")
    return workers


async def promoted(site: Installation) -> Workers:
    """Have a TwinModel trained and retrained by an approved job, and return its workers; version 2 serves."""
    workers = await serving(site)
    site.apply(job(approval={"approved": True, "by": "jane"}))
    await workers.do(TaskKind.RETRAIN)
    await workers.do(TaskKind.GATE)
    await site.until(lambda: version(site) == "2")
    return workers


async def second(site: Installation, *, promote: bool = False) -> None:
    """Have the registry hold a second version of ours."""
    uid = site.get(*MODEL)["metadata"]["uid"]
    summary = site.registry.summary(REGISTERED, "1")
    site.registry.add(REGISTERED, f"{CLUSTER_UID}/default/{NAME}/{uid}", "2", **summary, promote=promote)


def version(site: Installation) -> str | None:
    """Return the version that answers Simulations, as the TwinModel's status has it."""
    return (site.status(*MODEL).get("model") or {}).get("version")


def reasons(site: Installation) -> list[str]:
    """Return the reasons of the Events so far."""
    return [event.reason for event in site.cluster.events]


async def meddle(site: Installation, kind: str, name: str, times: int) -> None:
    """Change an object so often that whoever reads it and writes later is refused with 409."""
    for number in range(times):
        site.patch(kind, name, {"metadata": {"annotations": {"another-controller": str(number)}}})
        await asyncio.sleep(0)
