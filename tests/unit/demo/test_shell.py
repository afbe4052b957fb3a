"""What the demo runs and prints while it waits, and what ends the wait."""

import os
from collections.abc import Mapping
from typing import Any

import pytest

from demo.shell import (
    CommandError,
    Objects,
    Shell,
    WaitError,
    condition,
    describe,
    phase,
    print_changes,
    refuse_failures,
)

Json = dict[str, Any]
WAITING = {"type": "Ready", "status": "False", "reason": "ModelNotReady", "message": "waits for hillstrom"}
STALLED = {"type": "Stalled", "status": "True", "reason": "DataInvalid", "message": "one arm only"}


def resource(kind: str, name: str, state: str, *conditions: dict[str, str]) -> Json:
    return {"kind": kind, "metadata": {"name": name}, "status": {"phase": state, "conditions": list(conditions)}}


def objects(*items: Json) -> Objects:
    return {f"{item['kind']}/{item['metadata']['name']}": item for item in items}


def test_a_command_gets_input_and_gives_output() -> None:
    assert Shell(dict(os.environ)).run("tr a-z 'A-Z'", "two words") == "TWO WORDS"


def test_a_command_that_fails_is_reported_with_its_errors() -> None:
    with pytest.raises(CommandError, match="no-such-file"):
        Shell(dict(os.environ)).run("ls /no-such-file")


def test_a_waiting_simulation_is_described_with_its_reason() -> None:
    assert describe(resource("Simulation", "a", "Pending", WAITING)) == "Pending (ModelNotReady)"


def test_an_object_without_status_is_pending() -> None:
    assert phase({}) == describe({}) == "Pending"
    assert condition({}, "Ready") == {}


def test_a_twin_is_described_with_what_is_known_of_it() -> None:
    faithful = {"type": "Faithful", "status": "Unknown", "reason": "NotValidated"}
    retrainable = {"type": "Retrainable", "status": "False", "reason": "NoNewData"}
    assert describe(resource("TwinModel", "a", "Degraded", faithful, retrainable)) == (
        "Degraded, Retrainable=False (NoNewData)"
    )


def test_only_changes_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    printed: dict[str, str] = {}
    for state in ("Training", "Training", "Ready"):
        print_changes(objects(resource("TwinModel", "hillstrom", state)), printed)
    lines = [line.partition(" s  ")[2] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["TwinModel hillstrom: Training", "TwinModel hillstrom: Ready"]


def test_objects_that_change_alike_share_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    running = [resource("Simulation", name, "Running") for name in ("a", "c")]
    print_changes(objects(*running, resource("TwinModel", "d", "Running")), {})
    lines = [line.partition(" s  ")[2] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["Simulation a, c: Running", "TwinModel d: Running"]


@pytest.mark.parametrize(
    "failed", [resource("TwinModel", "hillstrom", "Pending", STALLED), resource("Simulation", "a", "Failed", WAITING)]
)
def test_what_needs_a_change_by_the_user_ends_the_demo(failed: Json) -> None:
    with pytest.raises(WaitError, match=failed["metadata"]["name"]):
        refuse_failures([resource("Simulation", "b", "Running"), failed])


class Played(Shell):
    """A shell on a cluster that gives prepared lists of objects, one for each time that it is read."""

    def __init__(self, *lists: list[Json]) -> None:
        super().__init__({})
        self.lists: list[list[Mapping[str, Any]]] = [[*each] for each in lists]

    def items(self, query: str) -> list[Mapping[str, Any]]:
        assert "simulations" in query
        return self.lists.pop(0)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demo.shell.time.sleep", lambda _: None)


def test_a_wait_ends_when_every_simulation_has_its_result() -> None:
    done, running = resource("Simulation", "a", "Succeeded"), resource("Simulation", "b", "Running")
    late = resource("Simulation", "b", "Succeeded")
    shell = Played([done], [done, running], [done, late])
    assert shell.wait_for_simulations(["b", "a"]) == [late, done]


def test_a_grade_is_waited_for_beyond_the_result() -> None:
    plain, graded = resource("Simulation", "a", "Succeeded"), resource("Simulation", "a", "Succeeded")
    graded["status"]["fidelity"] = {"grade": "Good"}
    assert Played([plain], [graded]).wait_for_simulations(["a"], graded=True) == [graded]


def test_a_wait_that_takes_too_long_ends_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demo.shell._OBJECTS_WITHIN", -1.0)
    with pytest.raises(WaitError, match="answers of a"):
        Played([]).wait_for_simulations(["a"])
