"""What a worker does for each kind of task, from data in memory to versions in a registry in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from celery.signals import worker_process_shutdown

from tests.fakes.data_source import InMemoryData
from tests.fakes.registry import InMemoryRegistry
from tests.unit.services.trainings import NAME, OWNER, PLAN, SPEC, UNCERTAINTY, URI, table
from twin_operator.services.runs.credentials import without_credentials
from twin_operator.services.runs.run import JSON, Outcome, Target, Task, TaskKind
from twin_operator.services.runs.tracing import NoTracer
from twin_operator.settings import LimitedPrefix, Settings
from twin_operator.wiring.worker import build_data_sources
from twin_operator.worker import main
from twin_operator.worker.attempts import Attempts
from twin_operator.worker.leases import Stopped
from twin_operator.worker.main import build_frame, work_of
from twin_operator.worker.tasks import Work

NOW = 1_800_000_000.0  # seconds since the epoch
NO_LEDGER: JSON = {"tau": [0.1], "weight": [1.0], "experiments": 1, "outcomes": 0}

CHECK: JSON = {"spec": SPEC, "known": None, "registeredModel": NAME, "version": None}
TRAINING: JSON = {"spec": SPEC, "registeredModel": NAME, "owner": OWNER, "run": "run"}
RETRAINING: JSON = {**TRAINING, "job": "job-uid", "trigger": "NewData", "plan": PLAN}


def task_of(kind: TaskKind, payload: JSON, namespace: str = "default") -> Task:
    return Task("run", kind, "training", Target("TwinModel", namespace, "letters", "uid"), 1, payload)


@dataclass
class Notes(Attempts):
    """Keeps the phrases of progress."""

    phrases: list[str] = field(default_factory=list)

    def note(self, phrase: str, share: float) -> None:  # noqa: ARG002 - as its base
        self.phrases.append(phrase)


@dataclass
class Child:
    """A child process with its registry and its data."""

    notes: Notes = field(default_factory=lambda: Notes(NoTracer(), lambda _run: 0, without_credentials))
    registry: InMemoryRegistry = field(default_factory=InMemoryRegistry)

    def __post_init__(self) -> None:
        source = InMemoryData({URI: table()})
        self.work: Mapping[TaskKind, Work] = work_of(
            self.registry, lambda _namespace: source, self.notes, lambda: NOW, lambda _task: None
        )

    def carry_out(self, kind: TaskKind, payload: JSON) -> Outcome:
        """Carry out a task of a kind."""
        return self.work[kind](task_of(kind, payload))

    def train(self, run: str = "training-uid") -> Outcome:
        """Carry out a training."""
        payload = {"spec": SPEC, "registeredModel": NAME, "owner": OWNER, "run": run}
        return self.carry_out(TaskKind.TRAIN, payload)

    def retrain(self) -> Outcome:
        """Carry out a retraining."""
        payload = {"spec": SPEC, "registeredModel": NAME, "owner": OWNER, "run": "job-run"}
        return self.carry_out(TaskKind.RETRAIN, {**payload, "job": "job-uid", "trigger": "NewData", "plan": PLAN})


@pytest.fixture
def child() -> Child:
    return Child()


def test_every_kind_of_task_has_its_work(child: Child) -> None:
    assert set(child.work) == set(TaskKind)


def test_a_training_leaves_a_version_and_notes_its_progress(child: Child) -> None:
    outcome = child.train()
    assert outcome.reason == "Succeeded"
    assert child.registry.champion_version(NAME) == outcome.value["version"]
    assert child.notes.phrases != []


def test_a_simulation_is_answered_from_the_version_that_it_names(child: Child) -> None:
    version = child.train().value["version"]
    payload = {
        "spec": {"modelRef": {"name": "letters"}, "intervention": {"arm": "letter"}},
        "registeredModel": NAME,
        "version": version,
        "uncertainty": UNCERTAINTY,
        "weights": NO_LEDGER,
    }
    assert child.carry_out(TaskKind.SIMULATE, payload).reason == "Succeeded"
    unknown = payload | {"spec": {"modelRef": {"name": "letters"}, "intervention": {"arm": "parcel"}}}
    assert child.carry_out(TaskKind.SIMULATE, unknown).reason == "UnknownArm"


def test_data_are_inspected_without_a_version(child: Child) -> None:
    outcome = child.carry_out(TaskKind.VALIDATE, CHECK)
    assert (outcome.reason, outcome.value["rows"]) == ("Succeeded", 200)


@pytest.mark.parametrize(
    ("kind", "payload"),
    [(TaskKind.TRAIN, TRAINING), (TaskKind.RETRAIN, RETRAINING), (TaskKind.VALIDATE, CHECK)],
)
def test_data_that_are_limited_to_a_namespace_are_read_for_its_objects_alone(
    kind: TaskKind, payload: JSON, tmp_path: Path
) -> None:
    settings = Settings(data_allow=[LimitedPrefix(prefix=f"file://{tmp_path}/", namespaces=frozenset({"payments"}))])
    table = tmp_path / "secret.csv"
    table.write_text("arm,level\nsecret,7\n")
    spec = {**SPEC, "data": {"uri": f"file://{table}"}}
    notes = Notes(NoTracer(), lambda _run: 0, without_credentials)
    work = work_of(InMemoryRegistry(), build_data_sources(settings), notes, lambda: NOW, lambda _task: None)
    reasons = {
        namespace: work[kind](task_of(kind, {**payload, "spec": spec}, namespace)).reason
        for namespace in ("payments", "growth")
    }
    assert reasons == {"payments": "DataInvalid", "growth": "AddressNotAllowed"}


def test_a_retraining_leaves_a_candidate_and_the_champion_serves_on(child: Child) -> None:
    champion = child.train().value["version"]
    candidate = child.retrain()
    assert candidate.reason == "Succeeded"
    assert child.registry.champion_version(NAME) == champion != candidate.value["version"]


def test_the_gate_compares_candidate_and_champion(child: Child) -> None:
    champion, candidate = child.train(), child.retrain()
    payload = {
        "registeredModel": NAME,
        "run": "job-run",
        "candidate": candidate.value["version"],
        "champion": champion.value["version"],
        "uncertainty": UNCERTAINTY,
        "gate": {"maxRegression": 0.0},
        "ledger": [],
        "plans": {champion.value["version"]: PLAN},
    }
    child.notes.phrases.clear()
    outcome = child.carry_out(TaskKind.GATE, payload)
    assert outcome.reason == "Succeeded"
    assert outcome.value["gate"]["passed"] is True


@pytest.fixture
def _signals() -> Iterator[None]:
    receivers = list(worker_process_shutdown.receivers or ())
    yield
    worker_process_shutdown.receivers = receivers


@pytest.mark.usefixtures("_signals")
@pytest.mark.parametrize(("kind", "payload"), [(TaskKind.TRAIN, TRAINING), (TaskKind.RETRAIN, RETRAINING)])
def test_a_child_asks_its_lease_before_it_registers_a_version(
    kind: TaskKind, payload: JSON, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = InMemoryRegistry()
    monkeypatch.setattr(main, "build_registry", lambda _settings: registry)
    monkeypatch.setattr(main, "build_data_sources", lambda _settings: lambda _namespace: InMemoryData({URI: table()}))
    frame = main.build_frame(Settings(redis_url="redis://127.0.0.1:1/0", bank_directory=tmp_path))
    with pytest.raises(Stopped, match="lost"):  # no run was claimed
        frame.work[kind](task_of(kind, payload))
    assert registry.versions(NAME) == []


@pytest.mark.usefixtures("_signals")
def test_the_frame_of_a_child_is_built_without_a_connection(tmp_path: Path) -> None:
    settings = Settings(redis_url="redis://127.0.0.1:1/0", bank_directory=tmp_path, lease_seconds=7)
    frame = build_frame(settings)
    assert set(frame.work) == set(TaskKind)
    assert frame.leases.claims.lease_seconds == 7
