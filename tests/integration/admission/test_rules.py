"""Every rule of the schemas, tried on the real API server: what it takes, what it refuses and with which words."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.admission.asking import Admission, FullManifest
from tests.manifests import load_manifest
from twin_operator.crdgen import generate

HERE = Path(__file__).parent
ACCEPTED = yaml.safe_load((HERE / "accepted.yaml").read_text())
REFUSED = yaml.safe_load((HERE / "refused.yaml").read_text())
TRANSITIONS = yaml.safe_load((HERE / "transitions.yaml").read_text())


def declared_messages(node: Any) -> set[str]:
    """Collect the messages of all CEL rules."""
    if isinstance(node, list):
        return set().union(*map(declared_messages, node))
    if not isinstance(node, dict):
        return set()
    own = {rule["message"] for rule in node.get("x-kubernetes-validations", ())}
    return own.union(*map(declared_messages, node.values()))


def case_name(case: dict[str, Any]) -> str:
    return case.get("name") or str(case.get("change") or case.get("patch"))[:80]


@pytest.mark.parametrize("case", ACCEPTED, ids=case_name)
def test_a_right_manifest_is_taken(case: dict[str, Any], admission: Admission, full_manifest: FullManifest) -> None:
    assert admission.refusal(full_manifest(case["kind"], case["change"])) == ""


@pytest.mark.parametrize("case", REFUSED, ids=case_name)
def test_a_wrong_manifest_is_refused_with_advice(
    case: dict[str, Any], admission: Admission, full_manifest: FullManifest
) -> None:
    assert case["message"] in admission.refusal(full_manifest(case["kind"], case["change"]))


@pytest.fixture(scope="module")
def existing(admission: Admission, full_manifest: FullManifest) -> dict[str, str]:
    """Objects in every state that a transition starts from: their kinds by name."""
    for name, wanted in TRANSITIONS["objects"].items():
        admission.create(full_manifest(wanted["kind"], wanted["change"] | {"metadata.name": name}))
        if "phase" in wanted:
            admission.write_status(wanted["kind"], name, {"phase": wanted["phase"]})
    return {name: wanted["kind"] for name, wanted in TRANSITIONS["objects"].items()}


@pytest.mark.parametrize("case", TRANSITIONS["cases"], ids=lambda case: f"{case['of']}: {case_name(case)}")
def test_a_change_is_taken_or_refused_by_what_was_there(
    case: dict[str, Any], admission: Admission, existing: dict[str, str]
) -> None:
    refusal = admission.patch_refusal(existing[case["of"]], case["of"], case["patch"])
    assert (case["message"] in refusal) if "message" in case else refusal == ""


def test_every_rule_is_refused_by_some_case() -> None:
    declared = set().union(*(declared_messages(load_manifest(text)) for text in generate().values()))
    assert declared - {case.get("message") for case in (*REFUSED, *TRANSITIONS["cases"])} == set()
