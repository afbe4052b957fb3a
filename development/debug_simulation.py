"""`make debug`: one Simulation through the code of worker and operator in one process, stopped in a debugger.

The TwinModel of a file is trained as a worker trains it, once: the bank is kept in `.run/debug`. Then pdb stops where a
worker begins to answer the Simulation, and the status that the operator would write is printed. There is no cluster.
"""

from __future__ import annotations

import argparse
import bdb
import hashlib
import json
import pdb  # noqa: T100 - the purpose of the program
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from twin_operator.adapters.bank_store import read_bank, write_bank
from twin_operator.adapters.data_source import AllowedPrefix, FileDataSource
from twin_operator.api.v1alpha1 import Simulation, TwinModel, TwinModelSpec
from twin_operator.domain.errors import DomainError
from twin_operator.domain.learning.training_plan import TrainingPlan
from twin_operator.domain.twin import Bank, tau_weights
from twin_operator.services.reconciling.errors import Stalled
from twin_operator.services.reconciling.twin_checks import TwinChecks
from twin_operator.services.runs.run import JSON, Outcome, Run
from twin_operator.services.runs.training_messages import TrainedVersion
from twin_operator.services.runs.twin_spec import learner_of, source_of, uncertainty_of
from twin_operator.services.simulations.decide import simulation_payload
from twin_operator.services.simulations.status import finished
from twin_operator.services.versions import Refusal, Version, version_of
from twin_operator.services.work.simulate import BankSource, answer_simulation
from twin_operator.services.work.train import RawTable, fingerprint, learn, summarise

ROOT: Final = Path(__file__).resolve().parents[1]
KEPT: Final = ROOT / ".run" / "debug"
EXAMPLE: Final = ROOT / "examples" / "hillstrom"
LENGTH: Final = 32  # hex digits that name the folder of a training: 128 bits

Debug = Callable[[JSON, BankSource], Outcome]


class NothingToDebugError(Exception):
    """The files do not hold what is asked for; the message says what to do."""


@dataclass(frozen=True)
class OneBank:
    """The bank of the only version that there is, as a worker's registry returns it."""

    only: Bank

    def bank(self, name: str, version: str, run_id: str | None) -> Bank:  # noqa: ARG002 - the port of a worker
        """Return it, whichever version is asked for."""
        return self.only


def twin_of(file: Path) -> TwinModel:
    """Read the TwinModel of a file."""
    return TwinModel.model_validate(_with_metadata(_documents(file, "TwinModel")[0]))


def question_of(file: Path, name: str | None) -> Simulation:
    """Read the Simulation of that name in a file, or the first."""
    found = [each for each in _documents(file, "Simulation") if name in {None, each["metadata"].get("name")}]
    if not found:
        raise NothingToDebugError(f"{file} has no Simulation {name}.")
    return Simulation.model_validate(_with_metadata(found[0]))


def trained(model: TwinModel, folder: Path, kept: Path = KEPT) -> tuple[Bank, Version]:
    """Train the twin of the data in `folder`, or read the bank of an earlier training from the same spec and bytes.

    Raises:
        Stalled: the data cannot be read.
        DomainError: nothing can be learned from it.
    """
    local = model.model_copy(update={"spec": _with_data_in(folder, model)})
    raw = FileDataSource([AllowedPrefix("file:///")], model.namespace).read(source_of(local.spec))
    place = kept / _name_of(local, raw)
    if not (place / "summary.json").exists():
        _train(local, raw, place)
    summary = TrainedVersion.model_validate_json((place / "summary.json").read_text())
    return read_bank(place), version_of(f"{model.namespace}.{model.name}", summary)


def _name_of(model: TwinModel, raw: RawTable) -> str:
    return hashlib.sha256(fingerprint(model.spec, raw).encode()).hexdigest()[:LENGTH]


def _train(model: TwinModel, raw: RawTable, place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    twin = learn(model.spec, raw, TrainingPlan.of(learner_of(model.spec)), _report)
    write_bank(twin.bank, place)
    summary = summarise(twin, model.spec, raw, time.time()).wire()
    (place / "summary.json").write_text(json.dumps({**summary, "version": "1", "runID": "debug"}))


def answered(simulation: Simulation, model: TwinModel, bank: Bank, version: Version, debug: Debug) -> JSON:
    """Answer a Simulation, and return the status that the operator would write.

    Args:
        simulation: the question.
        model: of the twin that answers.
        bank: of its version.
        version: without outcomes: tau rests on the training alone.
        debug: calls `answer_simulation`.
    """
    uncertainty, intervention = uncertainty_of(model.spec), simulation.spec.intervention
    contrast = version.contrast(intervention.arm, intervention.against)
    weights = tau_weights(contrast, uncertainty.between_experiment_scale)
    payload = simulation_payload(simulation, version, uncertainty, weights).wire()
    outcome = debug(payload, OneBank(bank))
    checks = TwinChecks(version.gates, version.data_warning, not_faithful=None)
    status: JSON = finished(simulation, Run(), outcome, checks, time.time()).manifest()
    return status


def stopped_in_pdb(payload: JSON, banks: BankSource) -> Outcome:
    """Call `answer_simulation` under pdb, which stops at its first line.

    Raises:
        NothingToDebugError: the user left the debugger.
    """
    try:
        outcome = pdb.Pdb().runcall(answer_simulation, payload, banks)
    except bdb.BdbQuit:
        outcome = None
    if outcome is None:
        raise NothingToDebugError("There is no answer: the debugger was left before it.")
    return outcome


def _documents(file: Path, kind: str) -> list[dict[str, Any]]:
    found = [each for each in yaml.safe_load_all(file.read_text()) if each and each.get("kind") == kind]
    if not found:
        raise NothingToDebugError(f"{file} has no {kind}.")
    return found


def _with_metadata(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest as the API server would store it."""
    given = {"namespace": "default", "uid": "00000000-0000-0000-0000-000000000000", "generation": 1}
    return {**manifest, "metadata": {**given, **manifest["metadata"]}}


def _with_data_in(folder: Path, model: TwinModel) -> TwinModelSpec:
    """Return the spec with the file of its data in `folder`, which stands for the /data of the workers."""
    file = folder.resolve() / Path(model.spec.data.uri).name
    data = model.spec.data.model_copy(update={"uri": f"file://{file}"})
    return model.spec.model_copy(update={"data": data})


def _report(share: float, step: str) -> None:
    sys.stderr.write(f"{share:5.0%} {step}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make debug", description="One Simulation through worker code, under pdb.")
    parser.add_argument("--twin", type=Path, default=EXAMPLE / "twinmodel.yaml", help="File with the TwinModel.")
    parser.add_argument("--questions", type=Path, help="File with Simulations; default: simulations.yaml next to it.")
    parser.add_argument("--name", help="Of the Simulation; default: the first of the file.")
    parser.add_argument("--data", type=Path, help="Folder of the data; default: that of the TwinModel's file.")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Debug one Simulation, and print its status."""
    options = _parser().parse_args(arguments)
    try:
        model = twin_of(options.twin)
        simulation = question_of(options.questions or options.twin.with_name("simulations.yaml"), options.name)
        bank, version = trained(model, options.data or options.twin.parent)
        status = answered(simulation, model, bank, version, stopped_in_pdb)
    except (OSError, NothingToDebugError, Stalled, DomainError, Refusal) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(yaml.safe_dump(status, sort_keys=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
