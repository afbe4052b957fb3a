"""What the node agent decides without touching anything: status, restarts, environment, fields."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from devcluster.node.backoff import FIRST, FORGIVEN_AFTER, LONGEST, Backoff, runs_again
from devcluster.node.environment import expand
from devcluster.node.fields import UnknownFieldError, field_value, quantity, resource_value
from devcluster.node.images import find, repository
from devcluster.node.logs import Wanted, choose
from devcluster.node.restore import restored
from devcluster.node.status import Record, Snapshot, phase, pod_status

POD: dict[str, Any] = {
    "metadata": {"name": "twin", "namespace": "lab", "uid": "u-1", "generation": 2, "labels": {"a": 'say "x"'}},
    "spec": {"restartPolicy": "Always", "nodeName": "here", "containers": [{"name": "main", "image": "host"}]},
}
RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}


def ended(code: int) -> dict[str, Any]:
    return {"terminated": {"exitCode": code}}


def snapshot(*records: Record, init: tuple[Record, ...] = (), pod: dict[str, Any] = POD) -> Snapshot:
    return Snapshot(pod, "127.1.2.3", "2026-01-01T00:00:00Z", prepared=True, init=init, containers=records)


def record(state: dict[str, Any] | None = None, **fields: Any) -> Record:
    made = Record("main", "host", **fields)
    made.state = state or made.state
    return made


@pytest.mark.parametrize(
    ("records", "init", "expected"),
    [
        ([record()], (), "Pending"),
        ([record(RUNNING)], (), "Running"),
        ([record(RUNNING), record()], (), "Pending"),
        ([record({"waiting": {}}, last=ended(1))], (), "Running"),
        ([record(ended(0), done=True)], (), "Succeeded"),
        ([record(ended(0), done=True), record(ended(3), done=True)], (), "Failed"),
        ([record(ended(0))], (), "Running"),
        ([record()], (record(ended(1), done=True),), "Failed"),
        ([record()], (record(RUNNING),), "Pending"),
    ],
)
def test_the_phase_of_a_pod(records: list[Record], init: tuple[Record, ...], expected: str) -> None:
    assert phase(snapshot(*records, init=init)) == expected


def conditions(status: dict[str, Any]) -> dict[str, str]:
    return {each["type"]: each["status"] for each in status["conditions"]}


def test_a_pod_is_ready_when_each_container_is() -> None:
    now = "2026-01-02T00:00:00Z"
    assert conditions(pod_status(snapshot(record(RUNNING, ready=True)), now))["Ready"] == "True"
    assert conditions(pod_status(snapshot(record(RUNNING, ready=True), record(RUNNING)), now))["Ready"] == "False"


def test_a_readiness_gate_holds_a_pod_back_until_its_condition_is_true() -> None:
    gated = {**POD, "spec": {**POD["spec"], "readinessGates": [{"conditionType": "warm"}]}}
    found = conditions(pod_status(snapshot(record(RUNNING, ready=True), pod=gated), "2026-01-02T00:00:00Z"))
    assert (found["ContainersReady"], found["Ready"]) == ("True", "False")


def test_a_condition_that_stays_keeps_the_time_of_its_change() -> None:
    first = pod_status(snapshot(record(RUNNING, ready=True)), "2026-01-02T00:00:00Z")
    later = pod_status(snapshot(record(RUNNING), pod={**POD, "status": first}), "2026-01-03T00:00:00Z")
    times = {each["type"]: each["lastTransitionTime"] for each in later["conditions"]}
    assert (times["Initialized"], times["Ready"]) == ("2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z")


def test_the_end_of_a_run_stays_on_record_when_the_next_begins() -> None:
    made = record(ended(7))
    made.enter(RUNNING)
    assert (made.state, made.last) == (RUNNING, ended(7))


def test_pauses_double_from_none_to_the_longest_and_are_forgiven() -> None:
    backoff = Backoff()
    pauses = [backoff.pause(ran=0.1) for _ in range(10)]
    assert pauses[:4] == [0.0, FIRST, 2 * FIRST, 4 * FIRST]
    assert pauses[-1] == LONGEST
    assert backoff.pause(ran=FORGIVEN_AFTER) == 0.0


@pytest.mark.parametrize(
    ("policy", "code", "again"),
    [("Always", 0, True), ("OnFailure", 0, False), ("OnFailure", 1, True), ("Never", 1, False)],
)
def test_the_restart_policy(policy: str, code: int, again: bool) -> None:  # noqa: FBT001 - a table
    assert runs_again(policy, code) is again


def remembered(policy: str, state: dict[str, Any], restarts: int = 4) -> Record:
    status = {"name": "main", "restartCount": restarts, "state": state, "lastState": {}}
    pod = {**POD, "spec": {**POD["spec"], "restartPolicy": policy}, "status": {"containerStatuses": [status]}}
    return restored(pod, "containers", "containerStatuses")[0]


def test_a_container_that_was_lost_with_the_node_is_counted_as_a_restart() -> None:
    found = remembered("Always", RUNNING)
    assert (found.restarts, found.done) == (5, False)
    assert found.last["terminated"]["reason"] == "ContainerStatusUnknown"


def test_a_container_that_must_not_run_again_stays_ended() -> None:
    assert remembered("Never", ended(0)).succeeded
    assert remembered("Never", RUNNING).done


def test_a_pod_that_is_new_starts_from_nothing() -> None:
    assert restored(POD, "containers", "containerStatuses") == [Record("main", "host")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("$(A)-$(A)", "1-1"), ("$(NONE)", "$(NONE)"), ("$$(A)", "$(A)"), ("$A", "$A"), ("$(A", "$(A")],
)
def test_expansion(text: str, expected: str) -> None:
    assert expand(text, {"A": "1"}) == expected


def test_fields_of_a_pod() -> None:
    assert field_value(POD, "127.1.2.3", "status.podIP") == "127.1.2.3"
    assert field_value(POD, "", "metadata.labels['a']") == 'say "x"'
    assert field_value(POD, "", "metadata.labels") == 'a="say \\"x\\""'
    assert field_value(POD, "", "metadata.annotations['none']") == ""


def test_a_field_that_there_is_not_is_named() -> None:
    with pytest.raises(UnknownFieldError, match=r"spec\.secret"):
        field_value(POD, "", "spec.secret")


@pytest.mark.parametrize(("text", "value"), [("500m", 0.5), ("1Gi", 2**30), ("2", 2), ("1e3", 1000), ("3k", 3000)])
def test_quantities(text: str, value: float) -> None:
    assert quantity(text) == value


def test_a_limit_in_units_of_its_divisor_is_rounded_up_and_defaults_to_the_node() -> None:
    container = {"resources": {"limits": {"cpu": "1500m"}}}
    assert resource_value(container, {"resource": "limits.cpu"}, {}) == "2"
    assert resource_value(container, {"resource": "limits.memory", "divisor": "1Gi"}, {"memory": "3Gi"}) == "3"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("twin-operator", "twin-operator"),
        ("host:5000/a/twin-operator:1.2", "host:5000/a/twin-operator"),
        ("a/twin-operator@sha256:00", "a/twin-operator"),
        ("a/twin-operator:1@sha256:00", "a/twin-operator"),
        ("host:5000/other", "host:5000/other"),
    ],
)
def test_the_repository_of_an_image(name: str, expected: str) -> None:
    assert repository(name) == expected


def test_only_the_operators_image_has_an_entrypoint() -> None:
    assert find("example/twin-operator:1").entrypoint == ("twin-operator",)
    assert find("busybox").entrypoint == ()


def test_an_image_of_another_version_runs_in_its_own_virtual_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVCLUSTER_IMAGES", '{"twin-operator:0.1.0": "/srv/first"}')
    first, other = find("twin-operator:0.1.0"), find("twin-operator:0.2.0")
    assert first.environment["PATH"].startswith("/srv/first/bin:")
    assert (first.environment["VIRTUAL_ENV"], other.environment["VIRTUAL_ENV"]) == ("/srv/first", sys.prefix)
    assert "/srv/first" in first.exposed


@pytest.mark.parametrize(
    ("query", "expected"),
    [({}, b"1\n2\n3\n"), ({"tailLines": "2"}, b"2\n3\n"), ({"tailLines": "0"}, b""), ({"limitBytes": "3"}, b"1\n2")],
)
def test_what_is_shown_of_a_log(query: dict[str, str], expected: bytes) -> None:
    assert choose(b"1\n2\n3\n", Wanted.parse(query)) == expected
