"""WorkerPools: whose queue it is, and the Deployment that comes of one."""

from __future__ import annotations

from typing import Any

import pytest

from twin_operator.services.pools.manifest import WorkerDefaults, deployment, digest, merge_template
from twin_operator.services.pools.pool import Pool
from twin_operator.services.pools.pool_index import refusal
from twin_operator.services.pools.status import pool_status

DEFAULTS = WorkerDefaults("image:1", "IfNotPresent", "worker", [{"name": "TWINOPS_REDIS_URL", "value": "r"}], 9090)


def pool(
    name: str = "light", created: str = "2026-01-01T00:00:00Z", namespace: str = "ops", **spec: Any
) -> dict[str, Any]:
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-{name}",
        "creationTimestamp": created,
        "generation": 1,
    }
    return {"metadata": metadata, "spec": {"queues": ["simulations"], "replicas": 2, **spec}}


def refused(body: dict[str, Any], *others: dict[str, Any]) -> str | None:
    facts = refusal(body, others, {"ops"})
    return facts[0].reason if facts else None


def test_a_pool_that_is_not_taken_takes_no_queue() -> None:
    assert refused(pool("new", "2026-02-01T00:00:00Z"), pool("old", namespace="elsewhere")) is None


def test_the_older_pool_keeps_a_queue() -> None:
    old, new = pool("old"), pool("new", "2026-02-01T00:00:00Z")
    assert refused(old, new) is None
    assert refused(new, old) == "QueueTaken"


def test_pools_of_other_namespaces_are_not_taken() -> None:
    assert refused(pool(namespace="elsewhere")) == "NamespaceNotAllowed"


@pytest.mark.parametrize(
    ("replicas", "ready", "phase"), [(2, 2, "Ready"), (2, 1, "Scaling"), (0, 0, "Idle"), (1, 1, "Ready")]
)
def test_the_phase_follows_the_deployment(replicas: int, ready: int, phase: str) -> None:
    counts = {"replicas": ready, "readyReplicas": ready, "updatedReplicas": ready}
    written = pool_status(Pool(pool(), {"spec": {"replicas": replicas}, "status": counts}), 0)
    assert (written["phase"], written["desiredReplicas"]) == (phase, replicas)


def test_a_worker_pod_has_no_token_and_no_rights() -> None:
    spec = deployment(pool(), DEFAULTS, 1)["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["command"][:4] == ["twin-operator", "worker", "--queues", "simulations"]
    assert {"name": "TWINOPS_REDIS_URL", "value": "r"} in container["env"]


def test_a_template_adds_a_volume_and_keeps_the_rest() -> None:
    template = {
        "spec": {
            "volumes": [{"name": "data", "hostPath": {"path": "/srv"}}],
            "containers": [{"name": "worker", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
        }
    }
    spec = deployment(pool(template=template), DEFAULTS, 1)["spec"]["template"]["spec"]
    assert [v["name"] for v in spec["volumes"]] == ["cache", "tmp", "data"]
    assert spec["containers"][0]["image"] == "image:1"
    assert [m["mountPath"] for m in spec["containers"][0]["volumeMounts"]][-1] == "/data"


def test_a_template_cannot_take_a_pods_labels_away() -> None:
    template = {"metadata": {"labels": {"twinops.dev/pool": "other", "team": "a"}}}
    labels = deployment(pool(template=template), DEFAULTS, 1)["spec"]["template"]["metadata"]["labels"]
    assert (labels["twinops.dev/pool"], labels["team"]) == ("light", "a")


def test_lists_merge_by_name_and_others_are_replaced() -> None:
    old = {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}], "args": ["x"]}
    new = {"env": [{"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}], "args": ["y"]}
    merged = merge_template(old, new)
    assert merged["args"] == ["y"]
    assert merged["env"] == [old["env"][0], new["env"][0]]
    assert old["args"] == ["x"]


def test_workers_know_their_grace_and_leave_lost_nodes_soon() -> None:
    own = {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "tolerationSeconds": 5}
    template = {"spec": {"terminationGracePeriodSeconds": 900, "tolerations": [own, {"key": "gpu"}]}}
    spec = deployment(pool(template=template), DEFAULTS, 1)["spec"]["template"]["spec"]
    assert {"name": "TWINOPS_GRACE_SECONDS", "value": "900"} in spec["containers"][0]["env"]
    assert [each["key"] for each in spec["tolerations"]] == [own["key"], "gpu", "node.kubernetes.io/not-ready"]
    assert spec["tolerations"][-1]["tolerationSeconds"] == 30


def test_the_digest_does_not_know_the_number_of_workers() -> None:
    one, other = deployment(pool(), DEFAULTS, 1), deployment(pool(), DEFAULTS, 7)
    assert digest(one) == digest(other)
    assert digest(one) != digest(deployment(pool(concurrency=2), DEFAULTS, 1))
