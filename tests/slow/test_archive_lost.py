"""The archive's file is deleted: the outcomes come back from the Simulations, and the twin and its answers stay."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.journey import experiments
from tests.integration.journey.campaign import question
from tests.integration.journey.platform_fixture import Platform
from tests.unit.services.archive.questions import as_written

EFFECT = 0.15
MODEL = "lost-survey"
OUTCOMES = 6


@pytest.fixture(scope="module")
def validated(platform: Platform) -> Platform:
    """The platform with a TwinModel that six outcomes have made Excellent."""
    experiments.write(platform.data / f"{MODEL}.csv", experiments.rows(["first"], EFFECT))
    spec = experiments.spec(f"file://{platform.data}/{MODEL}.csv", retraining={"suspend": True})
    platform.apply("TwinModel", MODEL, spec)
    platform.until_phase("TwinModel", MODEL, "Ready")
    for number in range(OUTCOMES):
        effect = ask(platform, f"lost-{number}")["effect"]["estimate"] + 0.002 * (-1) ** number
        observed = {"experiment": f"later-{number}", "effect": round(effect, 4), "standardError": 0.01}
        platform.patch("Simulation", f"lost-{number}", {"observed": observed})
        platform.kube.until(lambda: fidelity(platform).get("validations") == number + 1)  # noqa: B023 - called here
    return platform


@pytest.fixture
def file(validated: Platform) -> Path:
    """The archive's file."""
    return Path(validated.archive_url.removeprefix("sqlite:///"))


def ask(platform: Platform, name: str) -> dict[str, Any]:
    platform.apply("Simulation", name, question(MODEL))
    status: dict[str, Any] = platform.until_phase("Simulation", name, "Succeeded")["status"]
    return status


def fidelity(platform: Platform) -> dict[str, Any]:
    return dict(platform.get("TwinModel", MODEL)["status"].get("fidelity") or {})


def rows(file: Path, query: str) -> list[dict[str, Any]]:
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query)]


def lose(platform: Platform, file: Path, asked: str) -> None:
    """Kill the operator, delete the archive, and start the operator again, which finds a Simulation to be answered."""
    platform.operator.kill()
    for each in parts_of(file):
        each.unlink()
    platform.apply("Simulation", asked, question(MODEL))
    platform.operator.start()


def parts_of(file: Path) -> Iterator[Path]:
    return file.parent.glob(f"{file.name}*")


def test_a_twin_and_its_answers_are_as_before_when_the_archive_is_lost(validated: Platform, file: Path) -> None:
    before = fidelity(validated)
    assert (before["grade"], before["validations"]) == ("Excellent", OUTCOMES)
    faithful = validated.condition("TwinModel", MODEL, "Faithful")
    answer = ask(validated, "lost-before")
    assert answer["recommendation"]["action"] == "Deploy"
    recorded = rows(file, "SELECT * FROM outcomes ORDER BY simulation")

    lose(validated, file, asked="lost-at-start")
    at_start = validated.until_phase("Simulation", "lost-at-start", "Succeeded")["status"]
    validated.kube.until(lambda: file.exists() and len(rows_or_none(file)) == OUTCOMES)
    validated.kube.until(lambda: validated.condition("TwinModel", MODEL, "OutcomesIncomplete") is None)
    assert fidelity(validated) == before
    assert validated.condition("TwinModel", MODEL, "Faithful") == faithful
    after = ask(validated, "lost-after")
    for part in ("effect", "basis", "recommendation", "trial"):
        assert (at_start[part], after[part]) == (answer[part], answer[part])
    for old, new in zip(recorded, rows(file, "SELECT * FROM outcomes ORDER BY simulation"), strict=True):
        figures = {"absolute_error", "relative_error", "standardized_error"}  # the status has six digits of them
        assert {k: v for k, v in new.items() if k not in figures} == {k: v for k, v in old.items() if k not in figures}
        assert [new[each] for each in sorted(figures)] == pytest.approx([old[each] for each in sorted(figures)], 1e-5)


def rows_or_none(file: Path) -> list[dict[str, Any]]:
    """Return the rows of outcomes; none while the operator makes the tables."""
    try:
        return rows(file, "SELECT * FROM outcomes")
    except sqlite3.OperationalError:
        return []


def test_the_archive_has_the_status_of_each_finished_simulation_as_it_was_written(
    validated: Platform, file: Path
) -> None:
    found = {body["metadata"]["uid"]: body["status"] for body in simulations(validated)}
    validated.kube.until(lambda: set(found) == {row["uid"] for row in rows(file, "SELECT uid FROM simulations")})
    for row in rows(file, "SELECT * FROM simulations"):
        status = found[row["uid"]]
        assert json.loads(row["answer"]) == as_written(status)
        assert (row["phase"], row["registered_model"]) == (status["phase"], status["registeredModel"])
        assert (row["model_version"], row["run_id"]) == (status["modelVersion"], status["modelRunID"])
        assert row["reason"] == next(each["reason"] for each in status["conditions"] if each["type"] == "Ready")


def simulations(platform: Platform) -> list[dict[str, Any]]:
    items = platform.kube.get("simulations", "-n", platform.namespace)["items"]
    return [item for item in items if item["status"]["phase"] in {"Succeeded", "Failed"}]
