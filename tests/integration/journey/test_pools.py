"""WorkerPools on the real thing: a Deployment that works, scales and goes with its pool."""

from __future__ import annotations

import json

from tests.integration.journey.campaign import question
from tests.integration.journey.platform_fixture import Platform


def test_a_pool_runs_workers_that_answer_and_scales_to_zero(trained: Platform) -> None:
    kube, here = trained.kube, ("-n", trained.namespace)
    trained.apply("WorkerPool", "extra", {"queues": ["extra"], "replicas": 1})
    trained.until_phase("WorkerPool", "extra", "Ready")
    trained.apply("Simulation", "by-pool", question(queue="extra"))
    status = trained.until_phase("Simulation", "by-pool", "Succeeded")["status"]
    assert status["worker"].startswith("extra-")
    kube.kubectl("scale", "workerpool", "extra", "--replicas=0", *here)
    trained.until_phase("WorkerPool", "extra", "Idle")
    assert kube.get("deployment", "extra", *here)["spec"]["replicas"] == 0
    kube.kubectl("delete", "workerpool", "extra", *here)
    kube.until(lambda: kube.kubectl("get", "deployment", "extra", *here, "--ignore-not-found") == "")


def test_a_queue_has_one_pool(trained: Platform) -> None:
    trained.apply("WorkerPool", "first", {"queues": ["shared"], "replicas": 0})
    trained.until_phase("WorkerPool", "first", "Idle")
    trained.kube.until(lambda: _second(trained))
    trained.until_condition("WorkerPool", "second", "Stalled", "QueueTaken")
    trained.kube.kubectl("delete", "workerpool", "first", "-n", trained.namespace)
    trained.until_phase("WorkerPool", "second", "Idle")


def _second(platform: Platform) -> bool:
    """Create the second pool in a later second than the first, since ages are whole seconds."""
    platform.apply("WorkerPool", "second", {"queues": ["shared"], "replicas": 0})
    ages = [platform.get("WorkerPool", name)["metadata"]["creationTimestamp"] for name in ("first", "second")]
    if ages[0] < ages[1]:
        return True
    platform.kube.kubectl("delete", "workerpool", "second", "-n", platform.namespace)
    return False


def test_pools_of_other_namespaces_are_not_taken(trained: Platform, namespace: str) -> None:
    manifest = trained.manifest("WorkerPool", "stranger", {"queues": ["strange"]})
    trained.kube.apply({**manifest, "metadata": {"name": "stranger", "namespace": namespace}})

    def reason() -> bool:
        body = trained.kube.get("workerpool", "stranger", "-n", namespace)
        return "NamespaceNotAllowed" in json.dumps(body["status"])

    trained.kube.until(reason)


def test_a_deployment_that_the_pool_does_not_own_is_not_touched(trained: Platform) -> None:
    kube, here = trained.kube, ("-n", trained.namespace)
    kube.kubectl("create", "deployment", "taken", "--image=host", "--replicas=0", *here)
    before = kube.get("deployment", "taken", *here)
    trained.apply("WorkerPool", "taken", {"queues": ["taken"], "replicas": 1})
    trained.until_condition("WorkerPool", "taken", "Stalled", "NameTaken")
    after = kube.get("deployment", "taken", *here)
    assert (after["metadata"]["uid"], after["spec"]) == (before["metadata"]["uid"], before["spec"])
    assert "ownerReferences" not in after["metadata"]
    kube.kubectl("delete", "deployment", "taken", *here)
    trained.patch("WorkerPool", "taken", {"tier": "Medium"})  # else it is reconciled after its backoff
    trained.until_phase("WorkerPool", "taken", "Ready")
    (owner,) = kube.get("deployment", "taken", *here)["metadata"]["ownerReferences"]
    assert owner["uid"] == trained.get("WorkerPool", "taken")["metadata"]["uid"]
    kube.kubectl("delete", "workerpool", "taken", *here)


def test_the_deployment_of_an_earlier_pool_is_replaced(trained: Platform) -> None:
    kube, here = trained.kube, ("-n", trained.namespace)
    trained.apply("WorkerPool", "again", {"queues": ["again"], "replicas": 0})
    trained.until_phase("WorkerPool", "again", "Idle")
    kube.kubectl("delete", "workerpool", "again", *here)
    trained.apply("WorkerPool", "again", {"queues": ["again"], "replicas": 0})
    uid = trained.get("WorkerPool", "again")["metadata"]["uid"]

    def owned() -> bool:
        found = json.loads(kube.kubectl("get", "deployments", *here, "-o", "json"))["items"]
        owners = {each["metadata"]["name"]: each["metadata"].get("ownerReferences", ()) for each in found}
        return uid in {owner["uid"] for owner in owners.get("again", ())}

    kube.until(owned)
    trained.until_phase("WorkerPool", "again", "Idle")
    kube.kubectl("delete", "workerpool", "again", *here)


def test_a_template_that_the_server_refuses_is_said(trained: Platform) -> None:
    template = {"spec": {"containers": [{"name": "worker", "resources": {"limits": {"cpu": "many"}}}]}}
    trained.apply("WorkerPool", "broken", {"queues": ["broken"], "template": template})
    trained.until_condition("WorkerPool", "broken", "Stalled", "InvalidTemplate")
