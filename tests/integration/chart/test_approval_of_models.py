"""Who may loosen a TwinModel's policy, move its champion or delete it, asked of a real API server.

Each field that has a default of its own is in `test_guarded_fields`.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.api_requests import collection
from tests.integration.chart.people import DRY, KUBECTL_DRY, Manifest, People, model, resource

NEEDS_APPROVE = "needs the RBAC verb approve on this TwinModel"
COLUMNS = {"treatment": {"name": "arm", "control": "None"}}
OTHER_LEARNER = {"learner": {"algorithm": "Linear"}}


def rollback(by: str, **change: str | None) -> Manifest:
    """Return the annotations that ask for a rollback, with some of them changed."""
    parts = {"from": "3", "to": "2", "reason": "too hopeful", "by": by, **change}
    return {"metadata": {"annotations": {f"twinops.dev/rollback-{part}": text for part, text in parts.items()}}}


def loosened(**fields: Any) -> Manifest:
    return {"spec": {"retraining": fields}}


LOOSE = {"cooldown": "9999999h", "autoApproveBelow": 0.5}
OWNED = [{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "1"}]
RESERVED: dict[str, Manifest] = {
    "cooldown in other units": loosened(cooldown="1400m"),
    "rollback": rollback("ann"),
    "owner": {"metadata": {"ownerReferences": OWNED}},
}
RESERVED_WHILE_SERVING: dict[str, Manifest] = {
    "columns": {"spec": {"columns": COLUMNS}},
    "registeredModel": {"spec": {"registeredModel": "other"}},
}
ORDINARY: dict[str, Manifest] = {
    "description": {"spec": {"description": "Spring"}},
    "suspend": {"spec": {"suspend": True}},
    "suspended retraining": loosened(suspend=True),
    "schedule": loosened(schedule="0 3 * * 0", timeZone="Europe/Berlin"),
    "longer cooldown": loosened(cooldown="168h"),
    "the same cooldown in other words": loosened(cooldown="1440m"),
    "fewer attempts": loosened(maxAttempts=1),
    "more samples": loosened(minSamples=5000),
    "fresher data": loosened(maxDataAge="720h"),
    "data": {"spec": {"data": {"uri": "file:///data/summer.csv"}}},
    "learner": {"spec": OTHER_LEARNER},
    "labels": {"metadata": {"labels": {"team": "growth"}}},
    "annotations": {"metadata": {"annotations": {"note": "of spring"}}},
}


@pytest.fixture(scope="module", autouse=True)
def models(people: People) -> None:
    """A TwinModel that serves, one that does not, and one that serves a pinned version and was rolled back."""
    for name in ("spring", "fresh"):
        assert not people.create("ed", model(name))
    assert not people.create("", model("pinned", version="2", retraining=LOOSE))
    assert not people.change("adam", "TwinModel/pinned", rollback("adam"))
    for name in ("spring", "pinned"):
        people.serve(name)


@pytest.mark.parametrize("change", RESERVED.values(), ids=RESERVED)
def test_an_editor_cannot_loosen_pin_or_roll_back(people: People, change: Manifest) -> None:
    refusal = people.change("ed", "TwinModel/fresh", change, DRY)
    assert "need" in refusal
    assert "the RBAC verb approve on" in refusal
    assert "ask someone with the ClusterRole twin-approver" in refusal


@pytest.mark.parametrize("user", ["ann", "adam"])
@pytest.mark.parametrize("change", RESERVED.values(), ids=RESERVED)
def test_an_approver_can(people: People, user: str, change: Manifest) -> None:
    if change == RESERVED["rollback"]:
        change = rollback(user)
    assert people.change(user, "TwinModel/spring", change, DRY) == ""


@pytest.mark.parametrize("change", RESERVED_WHILE_SERVING.values(), ids=RESERVED_WHILE_SERVING)
def test_what_would_replace_a_serving_version_without_a_gate_needs_an_approver(
    people: People, change: Manifest
) -> None:
    assert NEEDS_APPROVE in people.change("ed", "TwinModel/spring", change, DRY)
    assert people.change("ed", "TwinModel/fresh", change, DRY) == ""
    assert people.change("ann", "TwinModel/spring", change, DRY) == ""


@pytest.mark.parametrize("change", ORDINARY.values(), ids=ORDINARY)
def test_an_editor_makes_ordinary_and_tightening_changes(people: People, change: Manifest) -> None:
    assert people.change("ed", "TwinModel/spring", change, DRY) == ""


def test_an_editor_changes_a_model_that_an_approver_pinned_and_rolled_back(people: People) -> None:
    assert people.change("ed", "TwinModel/pinned", ORDINARY["description"], DRY) == ""


def test_an_editor_lowers_a_threshold_of_automatic_approval_that_was_stored_by_an_older_release(people: People) -> None:
    assert people.change("ed", "TwinModel/pinned", loosened(autoApproveBelow=0.4), DRY) == ""
    assert NEEDS_APPROVE in people.change("ed", "TwinModel/pinned", loosened(autoApproveBelow=0.6), DRY)


def test_a_cooldown_longer_than_cel_can_count_is_shortened_by_an_approver_alone(people: People) -> None:
    assert NEEDS_APPROVE in people.change("ed", "TwinModel/pinned", loosened(cooldown="24h"), DRY)
    assert people.change("ann", "TwinModel/pinned", loosened(cooldown="24h"), DRY) == ""


@pytest.mark.parametrize(("user", "refused"), [("ed", True), ("emma", True), ("ann", False)])
def test_a_version_is_unpinned_and_a_rollback_withdrawn_by_an_approver(
    people: People, user: str, *, refused: bool
) -> None:
    withdrawn = {"metadata": {"annotations": dict.fromkeys(rollback("")["metadata"]["annotations"])}}
    for change in ({"spec": {"version": None}}, withdrawn):
        assert bool(people.change(user, "TwinModel/pinned", change, DRY)) is refused


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (rollback("adam"), "twinops.dev/rollback-by must be your own user name: write ann"),
        (rollback("ann", **{"from": None}), "a rollback needs all four annotations"),
        (rollback("ann", reason=""), "a rollback needs all four annotations"),
        (rollback("ann", to="3"), "rollback-to with another version"),
        (rollback("ann", to="latest"), "a rollback needs all four annotations"),
        (rollback(""), "twinops.dev/rollback-by must be your own user name"),
    ],
)
def test_a_rollback_is_asked_for_in_full_and_in_the_own_name(people: People, change: Manifest, sentence: str) -> None:
    assert sentence in people.change("ann", "TwinModel/spring", change, DRY)


def test_one_approver_cannot_change_what_another_signed(people: People) -> None:
    assert "write ann" in people.change("ann", "TwinModel/pinned", rollback("adam", to="1"), DRY)


@pytest.mark.parametrize(
    ("manifest", "sentence"),
    [
        (model(), ""),
        (model(retraining={"cooldown": "9999999h"}), ""),
        (model(retraining={"cooldown": "23h59m60s"}), ""),
        (model(retraining={"maxDataAge": "9999999h"}), "a spec.retraining.maxDataAge above 2160h needs"),
        (model(annotations=rollback("ed")["metadata"]["annotations"]), "need the RBAC verb approve"),
        (resource("TwinModel", "owned", model()["spec"], ownerReferences=OWNED), "an owner could delete"),
    ],
)
def test_an_editor_creates_models_with_the_default_policy_or_a_tighter_one(
    people: People, manifest: Manifest, sentence: str
) -> None:
    refusal = people.create("ed", manifest, DRY)
    assert sentence in refusal
    assert bool(refusal) is bool(sentence)
    assert people.create("", manifest, DRY).count("rollback-by") == (1 if "annotations" in manifest["metadata"] else 0)


@pytest.mark.parametrize("user", ["ed", "adam", ""])
@pytest.mark.parametrize("squatted", ["default.future", "other.", "default.a.b", "{namespace}x.future"])
def test_nobody_names_a_registered_model_of_another_namespace(people: People, user: str, squatted: str) -> None:
    sentence = f"spec.registeredModel with a dot must begin with its own namespace: write {people.namespace}.NAME"
    name = squatted.format(namespace=people.namespace)
    assert sentence in people.create(user, model(registeredModel=name), DRY)
    assert sentence in people.change(user, "TwinModel/fresh", {"spec": {"registeredModel": name}}, DRY)


@pytest.mark.parametrize("name", ["future", "{namespace}.future", "{namespace}.a.b"])
def test_an_editor_names_a_registered_model_of_the_own_namespace(people: People, name: str) -> None:
    own = name.format(namespace=people.namespace)
    assert people.create("ed", model(registeredModel=own), DRY) == ""
    assert people.change("ed", "TwinModel/fresh", {"spec": {"registeredModel": own}}, DRY) == ""


def test_a_model_that_serves_is_deleted_by_an_approver_alone(people: People) -> None:
    refused = "deleting a TwinModel while a version serves needs the RBAC verb approve on it"
    assert refused in people.refusal("ed", "delete", "twinmodel", "spring", KUBECTL_DRY)
    assert refused in people.refusal("ed", "delete", "twinmodels", "--all", KUBECTL_DRY)
    everything = collection(people.namespace, "TwinModel")
    assert refused in people.kube.requests.refusal("ed", "DELETE", f"{everything}?{DRY}")
    assert people.refusal("ed", "delete", "twinmodel", "fresh", KUBECTL_DRY) == ""
    assert people.refusal("adam", "delete", "twinmodel", "spring", KUBECTL_DRY) == ""


@pytest.mark.slow  # the garbage collector finds new kinds at most every 30 seconds
def test_a_model_goes_with_its_owner(people: People) -> None:
    people.run("", "create", "configmap", "owner")
    owner = json.loads(people.run("", "get", "configmap", "owner", "-o", "json"))
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    assert not people.create("", resource("TwinModel", "owned", model()["spec"], ownerReferences=[reference]))
    people.serve("owned")
    people.run("", "delete", "configmap", "owner")
    people.run("", "wait", "--for=delete", "twinmodel/owned", "--timeout=180s")


@pytest.mark.parametrize("how", [("apply",), ("apply", "--server-side", "--field-manager=git")])
def test_apply_is_held_to_the_same(people: People, how: tuple[str, ...]) -> None:
    pinned = model("spring", version="2")
    assert NEEDS_APPROVE in people.refusal("ed", *how, "-f", "-", KUBECTL_DRY, manifest=pinned)
    assert people.refusal("ann", *how, "-f", "-", KUBECTL_DRY, manifest=pinned) == ""


def test_a_namespace_is_deleted_with_models_that_serve(people: People) -> None:
    assert not people.create("", model("spring"), namespace=people.doomed)
    people.serve("spring", namespace=people.doomed)
    people.kube.kubectl("delete", "namespace", people.doomed, "--timeout=180s")
