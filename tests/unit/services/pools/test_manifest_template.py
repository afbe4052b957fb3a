"""What the installation puts into every worker Pod, and where a pool's own template comes before it."""

from __future__ import annotations

from typing import Any

from twin_operator.services.pools.manifest import WorkerDefaults, deployment

AUTHORITY = {
    "spec": {
        "containers": [{"name": "worker", "volumeMounts": [{"name": "redis-ca", "mountPath": "/etc/redis"}]}],
        "volumes": [{"name": "redis-ca", "secret": {"secretName": "redis-ca"}}],
    }
}
DEFAULTS = WorkerDefaults("twin-operator:test", "IfNotPresent", "workers", [], 9090, AUTHORITY)


def pod(**template: Any) -> dict[str, Any]:
    spec = {"queues": ["simulations"], "template": template}
    body = {"metadata": {"name": "light", "namespace": "twins", "uid": "u"}, "spec": spec}
    found: dict[str, Any] = deployment(body, DEFAULTS, 1)["spec"]["template"]["spec"]
    return found


def test_every_worker_has_what_the_installation_says_besides_what_it_needs() -> None:
    volumes = [volume["name"] for volume in pod()["volumes"]]
    mounts = [mount["mountPath"] for mount in pod()["containers"][0]["volumeMounts"]]
    assert volumes == ["cache", "tmp", "redis-ca"]
    assert mounts == ["/var/cache/twin-operator", "/tmp", "/etc/redis"]  # noqa: S108 - the Pod's own


def test_a_pools_template_adds_to_it_and_overrides_it() -> None:
    own = {"volumes": [{"name": "redis-ca", "secret": {"secretName": "ours"}}, {"name": "data", "emptyDir": {}}]}
    volumes = {volume["name"]: volume for volume in pod(spec=own)["volumes"]}
    assert volumes["redis-ca"]["secret"]["secretName"] == "ours"
    assert "data" in volumes
