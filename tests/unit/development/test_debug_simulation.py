"""`make debug`: a Simulation is answered in one process, under pdb, from files alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from development.debug_simulation import NothingToDebugError, answered, question_of, trained, twin_of
from tests.fakes.ready_twin import simulation, twin_model
from tests.unit.domain.tables import trial
from twin_operator.services.work.simulate import answer_simulation

ROOT = Path(__file__).parents[3]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A TwinModel, two Simulations and the data, in one folder."""
    columns = trial(rows=200, effect=1.0)
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    (tmp_path / "trial.csv").write_text("\n".join(lines))
    (tmp_path / "twinmodel.yaml").write_text(yaml.safe_dump(twin_model()))
    questions = [simulation("first"), simulation("second", seed=1)]
    (tmp_path / "simulations.yaml").write_text(yaml.safe_dump_all(questions))
    return tmp_path


def debug(folder: Path, commands: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the program of `make debug` with what a user types."""
    program = [sys.executable, "-m", "development.debug_simulation", "--twin", str(folder / "twinmodel.yaml"), *options]
    return subprocess.run(program, cwd=ROOT, input=commands, capture_output=True, text=True, timeout=600, check=False)


def test_pdb_stops_where_a_worker_begins_and_the_status_follows(files: Path) -> None:
    ended = debug(files, "where\np payload['spec']['intervention']\ncontinue\n")
    assert ended.returncode == 0, ended.stderr
    assert "services/work/simulate.py" in ended.stdout
    assert "answer_simulation()" in ended.stdout
    assert "{'arm': 'letter'}" in ended.stdout
    status = yaml.safe_load(ended.stdout.rpartition("(Pdb) ")[2])
    assert (status["phase"], status["recommendation"]["action"]) == ("Succeeded", "Refine")


def test_leaving_the_debugger_ends_with_a_sentence(files: Path) -> None:
    ended = debug(files, "quit\n")
    assert (ended.returncode, ended.stderr.splitlines()[-1]) == (
        1,
        "There is no answer: the debugger was left before it.",
    )


def test_the_simulation_is_chosen_by_its_name(files: Path) -> None:
    assert question_of(files / "simulations.yaml", None).name == "first"
    assert question_of(files / "simulations.yaml", "second").name == "second"
    with pytest.raises(NothingToDebugError, match="has no Simulation third"):
        question_of(files / "simulations.yaml", "third")


def test_a_twin_is_trained_once_for_its_spec_and_data(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = files / "kept"
    bank, _ = trained(twin_of(files / "twinmodel.yaml"), files, kept)
    monkeypatch.setattr("development.debug_simulation.learn", None)  # a second training would fail
    again, version = trained(twin_of(files / "twinmodel.yaml"), files, kept)
    assert np.array_equal(bank.score, again.score)
    assert version.arms == ("none", "letter")


def test_another_learner_on_the_same_data_is_another_training(files: Path) -> None:
    kept = files / "kept"
    trained(twin_of(files / "twinmodel.yaml"), files, kept)
    (files / "twinmodel.yaml").write_text(yaml.safe_dump(twin_model(learner={"algorithm": "Linear", "folds": 4})))
    trained(twin_of(files / "twinmodel.yaml"), files, kept)
    assert len(list(kept.iterdir())) == 2


def test_the_status_is_what_the_operator_writes_for_the_numbers_of_the_worker(files: Path) -> None:
    model, question = twin_of(files / "twinmodel.yaml"), question_of(files / "simulations.yaml", None)
    status = answered(question, model, *trained(model, files, files / "kept"), answer_simulation)
    assert status["phase"] == "Succeeded"
    assert status["effect"]["estimate"] == pytest.approx(1.0, abs=0.5)
    assert {each["type"] for each in status["conditions"]} == {"Ready", "Trustworthy"}


def test_make_debug_passes_its_files(tmp_path: Path) -> None:
    asked = ["make", "-n", "debug", f"TWIN={tmp_path}/t.yaml", "QUESTIONS=q.yaml", "NAME=second", "DATA=/d"]
    shown = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f"--twin {tmp_path}/t.yaml --questions q.yaml --name second --data /d" in shown
