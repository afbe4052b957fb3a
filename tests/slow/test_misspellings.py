"""mypy finds a misspelt field, key or enum member of a spec, a status or a message: twenty examples, one at a time.

An example names a text that occurs once in its file, so that an example which no longer applies fails. mypy checks a
copy of the sources: all of them once, and afterwards, with its cache, only what has changed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
SERVICES = Path("operator/twin_operator/services")
MISSPELLINGS = [
    # Simulation
    ("simulations/decide.py", "if simulation.spec.suspend:", "if simulation.spec.suspended:"),
    ("simulations/decide.py", "Outcome(Reason.DEADLINE_EXCEEDED,", "Outcome(Reason.DEADLINE_EXCEDED,"),
    ("simulations/decide.py", "Running(SimulationPhase.QUEUED, reason,", 'Running("Queued", reason,'),
    ("simulations/status.py", "population=result.population,", "populations=result.population,"),
    ("simulations/status.py", "completion_time=moment(run", "completed_time=moment(run"),
    ("simulations/decide.py", "weights=TauWeightsOnTheWire.of(", "weight=TauWeightsOnTheWire.of("),
    ("work/simulate.py", "minimum_effect=decision.minimum_effect,", "minimum_effect=decision.min_effect,"),
    (
        "work/simulate.py",
        "banks.bank(asked.registered_model, asked.version, asked.run_id)",
        "banks.bank(asked.model, asked.version, asked.run_id)",
    ),
    # TwinModel
    ("twin_models/plan.py", "if not snapshot.model.spec.suspend:", "if not snapshot.model.spec.suspended:"),
    ("twin_models/status.py", "status.replace(fidelity=None, data=None,", "status.replace(fidelty=None, data=None,"),
    ("twin_models/listing.py", "trained_time=trained.trained_time or", "training_time=trained.trained_time or"),
    ("twin_models/listing.py", "samples=trained.samples,", "samples=trained.rows,"),
    ("twin_models/upkeep.py", "snapshot.retraining.next_scheduled_time\n", "snapshot.retraining.next_scheduled\n"),
    # RetrainingJob
    ("retraining/state.py", "snapshot.job.spec.override_cooldown:", "snapshot.job.spec.override_cool_down:"),
    ("retraining/state.py", "status.replace(approved_by=who,", "status.replace(approver=who,"),
    ("retraining/state.py", "Fact(ConditionType.PROMOTED,", "Fact(ConditionType.PROMOTE,"),
    ("retraining/tasks.py", "        trigger=job.spec.trigger.type,", "        trigger=job.spec.trigger.kind,"),
    # WorkerPool
    ("pools/manifest.py", "spec.termination_grace_period_seconds,", "spec.termination_grace_seconds,"),
    ("pools/status.py", "ready_replicas=pool.replicas.ready,", "readyReplicas=pool.replicas.ready,"),
    ("pools/status.py", "return WorkerPoolPhase.IDLE,", 'return "Idle",'),
]


@dataclass(frozen=True)
class Copy:
    """A copy of the sources, in which mypy checks the services with what they import."""

    folder: Path
    times: Iterator[int]

    def write(self, file: Path, text: str) -> None:
        """Write a source with a time of its own: mypy's cache compares sizes and times in whole seconds."""
        (self.folder / file).write_text(text)
        moment = next(self.times)
        os.utime(self.folder / file, (moment, moment))

    def files_with_errors(self) -> set[str]:
        command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", "-p", "twin_operator.services"]
        answer = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert answer.returncode in {0, 1}, answer.stderr
        return set(re.findall(r"^(\S+?):\d+: error: ", answer.stdout, re.MULTILINE))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    folder = tmp_path_factory.mktemp("sources")
    for part in ("operator", "tests/typing"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return Copy(folder, count(int(time.time())))


def test_without_a_misspelling_nothing_is_found(copy: Copy) -> None:
    assert copy.files_with_errors() == set()


@pytest.mark.parametrize(("file", "text", "misspelt"), MISSPELLINGS)
def test_a_misspelling_is_found(copy: Copy, file: str, text: str, misspelt: str) -> None:
    source = SERVICES / file
    original = (copy.folder / source).read_text()
    assert original.count(text) == 1
    copy.write(source, original.replace(text, misspelt))
    try:
        assert copy.files_with_errors() == {str(source)}
    finally:
        copy.write(source, original)
