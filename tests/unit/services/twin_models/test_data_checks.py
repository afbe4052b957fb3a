"""The data of a twin is checked without reading it while it has not changed, and new rows are counted."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twin_operator.adapters.data_source import AllowedPrefix, FileDataSource
from twin_operator.api.v1alpha1 import TwinModelSpec
from twin_operator.domain.learning.training_plan import TrainingPlan
from twin_operator.domain.table.columns import Algorithm
from twin_operator.domain.twin import Bank
from twin_operator.services.reconciling.errors import VersionGone
from twin_operator.services.runs.run import JSON, Outcome
from twin_operator.services.runs.training_messages import DataCheckPayload
from twin_operator.services.runs.twin_spec import Source, learner_of, source_of
from twin_operator.services.work.inspect_data import validate_data
from twin_operator.services.work.train import DataSource, RawTable, learn, summarise

HEADER = "arm,age,y,site,day"
SPEC: JSON = {
    "columns": {
        "features": [{"name": "age", "type": "Numeric"}],
        "treatment": {"name": "arm", "control": "A"},
        "outcome": {"name": "y", "type": "Continuous", "better": "Higher"},
        "experiment": "site",
        "time": "day",
    },
    "learner": {"algorithm": "Linear", "folds": 2, "seed": 0},
    "uncertainty": {"confidence": 0.95, "betweenExperimentScale": 0.25, "acceptPrior": False},
}


def lines(count: int = 300, year: int = 2024, site: str = "north", seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [f"{'AB'[k % 2]},{20 + k % 50},{rng.normal():.6f},{site},{year}-01-{1 + k % 28:02d}" for k in range(count)]


@dataclass
class Versions:
    """Version 1, as it would be in the registry."""

    banks: dict[str, Bank] = field(default_factory=dict)
    summaries: dict[str, JSON] = field(default_factory=dict)
    read: list[str] = field(default_factory=list)

    def bank(self, name: str, version: str, run_id: str | None) -> Bank:
        """As it was trained, by the MLflow run `mlflow-run`."""
        if run_id not in {None, "mlflow-run"}:
            raise VersionGone(f"Version {version} of {name} is of another MLflow run now.")
        return self.banks[f"{name}/{version}"]

    def summary(self, name: str, version: str) -> JSON:
        """What was kept with it."""
        self.read.append(version)
        return {**self.summaries[f"{name}/{version}"], "version": version}


class Watched:
    """A file, and what is known of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.source: DataSource = FileDataSource([AllowedPrefix(f"file://{path.parent}/")], "default")
        self.versions = Versions()
        self.spec = {**SPEC, "data": {"uri": f"file://{path}"}}

    def write(self, rows: list[str]) -> None:
        """Write the file again."""
        self.path.write_text("\n".join([HEADER, *rows, ""]))

    def train(self, plan: TrainingPlan | None = None) -> None:
        """Make version 1 of the file as it is."""
        spec = TwinModelSpec.model_validate(self.spec)
        raw = self.source.read(source_of(spec))
        twin = learn(spec, raw, plan or TrainingPlan.of(learner_of(spec)), lambda _share, _step: None)
        self.versions.banks["n.m/1"] = twin.bank
        self.versions.summaries["n.m/1"] = summarise(twin, spec, raw, now=0.0).wire()

    def look(self, known: JSON | None = None, run_id: str | None = "mlflow-run") -> Outcome:
        """Deliver a validation task."""
        version = "1" if self.versions.banks else None
        payload = {"spec": self.spec, "known": known, "registeredModel": "n.m", "version": version, "runID": run_id}
        return validate_data(DataCheckPayload.model_validate(payload), self.source, self.versions)

    def known(self) -> Any:
        """What a check finds, as input of the next."""
        value = self.look().value
        return {"stamp": value["stamp"], "digest": value["digest"]}


@dataclass(frozen=True)
class LongStamps:
    """The same data from a web server with long ETags."""

    data: DataSource

    def read(self, source: Source) -> RawTable:
        return self.data.read(source)

    def stamp(self, source: Source) -> str:
        return f"{self.data.stamp(source)} " * 100


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    watched = Watched(tmp_path / "past.csv")
    watched.write(lines())
    return watched


def test_a_first_look_tells_what_is_there(watched: Watched) -> None:
    found = watched.look()
    assert found.reason == "Succeeded"
    assert found.message == "300 usable rows."
    assert found.value["digest"].startswith("sha256:")
    assert (found.value["rows"], found.value["newRows"]) == (300, None)
    assert found.value["newestRowTime"] == "2024-01-28T00:00:00Z"


def test_rows_without_a_time_have_no_newest(watched: Watched) -> None:
    columns = {name: value for name, value in SPEC["columns"].items() if name != "time"}
    watched.spec = {**watched.spec, "columns": columns}
    assert watched.look().value["newestRowTime"] is None


def test_an_untouched_file_is_not_read(watched: Watched) -> None:
    known = watched.known()
    status = watched.path.stat()
    watched.path.write_bytes(b"\x00" * status.st_size)
    os.utime(watched.path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert watched.look(known).value == {"unchanged": True, "stamp": known["stamp"]}


def test_a_check_of_an_untouched_file_reads_the_version_so_that_an_old_one_gets_its_tags(watched: Watched) -> None:
    known = watched.known()
    watched.train()
    assert watched.look(known).value["unchanged"]
    assert watched.versions.read == ["1"]
    watched.versions.summaries.clear()
    assert watched.look(known).value["unchanged"], "a version that is gone does not concern a file without changes"


def test_a_touched_file_of_the_same_bytes_gets_a_new_stamp_only(watched: Watched) -> None:
    known = watched.known()
    os.utime(watched.path, (1e9, 1e9))
    found = watched.look(known).value
    assert found["unchanged"]
    assert found["stamp"] not in {None, known["stamp"]}


def test_rows_that_the_version_has_not_seen_are_counted(watched: Watched) -> None:
    watched.train()
    assert watched.look().value["newRows"] == 0
    watched.write([*reversed(lines()), *lines(40, seed=1), lines()[0]])
    found = watched.look({"stamp": "old", "digest": "sha256:old"})
    assert (found.value["rows"], found.value["newRows"]) == (341, 41)
    assert found.message == "341 usable rows, 41 of them new."


def test_rows_are_not_compared_with_those_of_another_version_of_the_number(watched: Watched) -> None:
    watched.train()
    assert watched.look(run_id="mlflow-run").value["newRows"] == 0
    assert watched.look(run_id="the run before").reason == "ModelNotFound"


def test_old_experiments_that_were_left_out_are_not_new(watched: Watched) -> None:
    watched.write([*lines(), *lines(200, year=2019, site="south", seed=2)])
    watched.train(TrainingPlan(Algorithm.LINEAR, 2, 0, newest_only=datetime(2023, 1, 1, tzinfo=UTC).timestamp()))
    assert watched.versions.banks["n.m/1"].rows == 300
    assert watched.look().value["newRows"] == 0


def test_data_that_cannot_be_learned_from_is_named(watched: Watched) -> None:
    watched.write(lines(20))
    assert watched.look().reason == "DataInvalid"
    watched.path.unlink()
    assert watched.look().reason == "DataNotReadable"
    watched.spec = {**SPEC, "data": {"uri": "file:///etc/passwd"}}
    assert watched.look().reason == "AddressNotAllowed"


def test_a_stamp_of_any_length_is_kept_so_that_untouched_data_is_not_read_again(watched: Watched) -> None:
    watched.source = LongStamps(watched.source)
    known = watched.known()
    assert len(known["stamp"]) == 256
    assert watched.look(known).message == "The data has not been touched."
