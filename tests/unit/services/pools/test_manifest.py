"""The Deployment of a WorkerPool: what is ours, what the installation adds, and what a pool's template may change."""

from __future__ import annotations

from typing import Any

from tests.unit.services.pools.objects import worker_pool
from twin_operator.services.pools.manifest import WorkerDefaults, deployment_manifest, digest, merge_template

DEFAULTS = WorkerDefaults("image:1", "IfNotPresent", "worker", [{"name": "TWINOPS_REDIS_URL", "value": "r"}], 9090)
AUTHORITY = {
    "spec": {
        "containers": [{"name": "worker", "volumeMounts": [{"name": "redis-ca", "mountPath": "/etc/redis"}]}],
        "volumes": [{"name": "redis-ca", "secret": {"secretName": "redis-ca"}}],
    }
}
WITH_AUTHORITY = WorkerDefaults("twin-operator:test", "IfNotPresent", "workers", [], 9090, AUTHORITY)


def template_of(defaults: WorkerDefaults = DEFAULTS, **spec: Any) -> dict[str, Any]:
    """Return the Pod template of a pool's Deployment."""
    template: dict[str, Any] = deployment_manifest(worker_pool(**spec), defaults, 1)["spec"]["template"]
    return template


def test_a_worker_pod_has_no_token_and_no_rights() -> None:
    spec = template_of()["spec"]
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
    spec = template_of(template=template)["spec"]
    assert [v["name"] for v in spec["volumes"]] == ["cache", "tmp", "data"]
    assert spec["containers"][0]["image"] == "image:1"
    assert [m["mountPath"] for m in spec["containers"][0]["volumeMounts"]][-1] == "/data"


def test_a_template_cannot_take_a_pods_labels_away() -> None:
    template = {"metadata": {"labels": {"twinops.dev/pool": "other", "team": "a"}}}
    labels = template_of(template=template)["metadata"]["labels"]
    assert (labels["twinops.dev/pool"], labels["team"]) == ("light", "a")


def test_lists_merge_by_name_and_others_are_replaced() -> None:
    old: dict[str, Any] = {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}], "args": ["x"]}
    new: dict[str, Any] = {
        "env": [{"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        "args": ["y"],
    }
    merged = merge_template(old, new)
    assert merged["args"] == ["y"]
    assert merged["env"] == [old["env"][0], new["env"][0]]
    assert old["args"] == ["x"]


def test_workers_know_their_grace_and_leave_lost_nodes_soon() -> None:
    own = {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "tolerationSeconds": 5}
    template = {"spec": {"terminationGracePeriodSeconds": 900, "tolerations": [own, {"key": "gpu"}]}}
    spec = template_of(template=template)["spec"]
    assert {"name": "TWINOPS_GRACE_SECONDS", "value": "900"} in spec["containers"][0]["env"]
    assert [each["key"] for each in spec["tolerations"]] == [own["key"], "gpu", "node.kubernetes.io/not-ready"]
    assert spec["tolerations"][-1]["tolerationSeconds"] == 30


def test_the_digest_does_not_know_the_number_of_workers() -> None:
    one, other = (deployment_manifest(worker_pool(), DEFAULTS, replicas) for replicas in (1, 7))
    assert digest(one) == digest(other)
    assert digest(one) != digest(deployment_manifest(worker_pool(concurrency=2), DEFAULTS, 1))


def test_every_worker_has_what_the_installation_says_besides_what_it_needs() -> None:
    spec = template_of(WITH_AUTHORITY)["spec"]
    mounts = [mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]]
    assert [volume["name"] for volume in spec["volumes"]] == ["cache", "tmp", "redis-ca"]
    assert mounts == ["/var/cache/twin-operator", "/tmp", "/etc/redis"]  # noqa: S108 - the Pod's own


def test_a_pools_template_adds_to_it_and_overrides_it() -> None:
    own = {"volumes": [{"name": "redis-ca", "secret": {"secretName": "ours"}}, {"name": "data", "emptyDir": {}}]}
    spec = template_of(WITH_AUTHORITY, template={"spec": own})["spec"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert volumes["redis-ca"]["secret"]["secretName"] == "ours"
    assert "data" in volumes
