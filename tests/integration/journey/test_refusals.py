"""Bad input: each gets an answer that a user can act on, and nothing is lost."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.integration.journey.campaign import model_spec, question, write_campaign
from tests.integration.journey.platform_fixture import Platform


def _lines(data: Path, change: Callable[[list[list[str]]], list[list[str]]], name: str) -> str:
    rows = [line.split(",") for line in (data / "campaign.csv").read_text().splitlines()]
    path = data / name
    path.write_text("\n".join(",".join(row) for row in change(rows)) + "\n")
    return f"file://{path}"


def _missing(data: Path) -> dict[str, Any]:
    return model_spec(f"file://{data}/nowhere.csv")


def _empty(data: Path) -> dict[str, Any]:
    (data / "empty.csv").write_bytes(b"")
    return model_spec(f"file://{data}/empty.csv")


def _not_csv(data: Path) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    (data / "noise.csv").write_bytes(b"region,age,arm,reply\n1\n" + rng.bytes(500) + b"\n1,2,3,4\n")
    return model_spec(f"file://{data}/noise.csv")


def _no_column(data: Path) -> dict[str, Any]:
    return model_spec(_lines(data, lambda rows: [row[1:] for row in rows], "no-age.csv"))


def _constant(data: Path) -> dict[str, Any]:
    return model_spec(_lines(data, lambda rows: [rows[0], *([*r[:3], "1"] for r in rows[1:])], "constant.csv"))


def _one_arm(data: Path) -> dict[str, Any]:
    return model_spec(_lines(data, lambda rows: [rows[0], *([*r[:2], "Nothing", r[3]] for r in rows[1:])], "one.csv"))


def _wrong_digest(data: Path) -> dict[str, Any]:
    spec = model_spec(f"file://{data}/campaign.csv")
    spec["data"]["sha256"] = hashlib.sha256(b"other bytes").hexdigest()
    return spec


def _few_rows(data: Path) -> dict[str, Any]:
    return model_spec(_lines(data, lambda rows: rows[:60], "few.csv"))


def _forbidden(_data: Path) -> dict[str, Any]:
    return model_spec("http://169.254.169.254/latest/user-data", data={"uri": "file:///etc/passwd.csv"})


DATA = {
    "missing": (_missing, "DataNotReadable", "does not exist"),
    "empty": (_empty, "DataInvalid", "is empty"),
    "not-csv": (_not_csv, "DataInvalid", "is not CSV"),
    "no-column": (_no_column, "DataInvalid", "has no column age among its 3 columns"),
    "constant": (_constant, "DataInvalid", "reply"),
    "one-arm": (_one_arm, "DataInvalid", "arm"),
    "wrong-digest": (_wrong_digest, "DataInvalid", "sha256"),
    "few-rows": (_few_rows, "DataInvalid", "50"),
    "forbidden": (_forbidden, "AddressNotAllowed", "may not be read; this installation allows"),
}


@pytest.mark.parametrize("case", DATA)
def test_data_that_cannot_be_learned_from_is_named(platform: Platform, case: str) -> None:
    build, reason, sentence = DATA[case]
    platform.apply("TwinModel", case, build(platform.data))
    condition = platform.until_condition("TwinModel", case, "Stalled", reason)
    assert sentence in condition["message"]
    assert "Traceback" not in condition["message"]
    assert platform.get("TwinModel", case)["status"]["phase"] == "Failed"
    platform.kube.kubectl("delete", "twinmodel", case, "-n", platform.namespace)


def test_data_that_is_mended_is_learned_from_without_a_change_of_the_model(platform: Platform) -> None:
    platform.apply("TwinModel", "mended", model_spec(f"file://{platform.data}/mended.csv"))
    platform.until_condition("TwinModel", "mended", "Stalled", "DataNotReadable")
    write_campaign(platform.data / "mended.csv", seed=2)
    platform.until_phase("TwinModel", "mended", "Ready")


def _where(feature: str, operator: str, *values: str) -> dict[str, Any]:
    clause = {"feature": feature, "operator": operator, "values": list(values)}
    return question(population={"where": [clause]})


QUESTIONS = {
    "unknown-arm": (question(arm="Telegram"), "UnknownArm", "Telegram"),
    "unknown-feature": (_where("height", "In", "1"), "UnknownFeature", "height"),
    "unknown-level": (_where("region", "In", "Atlantis"), "UnknownLevel", "Atlantis"),
    "nobody": (_where("age", "GreaterThan", "200"), "EmptyPopulation", ""),
}


@pytest.mark.parametrize("case", QUESTIONS)
def test_a_question_that_cannot_be_answered_says_why(trained: Platform, case: str) -> None:
    spec, reason, word = QUESTIONS[case]
    trained.apply("Simulation", case, spec)
    trained.until_phase("Simulation", case, "Failed")
    condition = trained.condition("Simulation", case, "Stalled")
    assert condition is not None
    assert condition["reason"] == reason
    assert word in condition["message"]


def test_an_unknown_operator_is_refused_at_admission(trained: Platform) -> None:
    with pytest.raises(AssertionError, match="Unsupported value"):
        trained.apply("Simulation", "operator", _where("age", "Around", "50"))


def test_an_edited_question_is_refused(trained: Platform) -> None:
    trained.apply("Simulation", "edited", question())
    trained.until_phase("Simulation", "edited", "Succeeded")
    with pytest.raises(AssertionError, match="seed cannot be changed"):
        trained.apply("Simulation", "edited", question(seed=7))
