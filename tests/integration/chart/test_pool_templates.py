"""The admission policy for templates of WorkerPools on a real API server: it decides as the operator's rules do."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.integration.api_requests import DRY_RUN, collection
from tests.integration.chart.conftest import Helm
from tests.integration.chart.people import resource
from tests.integration.conftest import Kube
from tests.pool_templates import ACCEPTED, ALLOWANCE, BREAKING, DATA, REFUSED, Template
from twin_operator.api.v1alpha1 import WorkerPool
from twin_operator.services.pools.manifest import WorkerDefaults, deployment_manifest
from twin_operator.services.pools.template_rules import violations
from twin_operator.settings import AllowedInTemplates

ADDRESSES = ("--set", "redis.url=redis://redis:6379", "--set", "mlflow.trackingUri=http://mlflow:5000")
ALLOWED = {
    **{str(kind): sorted(names) for kind, names in ALLOWANCE.names.items()},
    "images": sorted(ALLOWANCE.images),
}
VALUES = (
    *("--set-json", f"workerPools.allowed={json.dumps(ALLOWED)}"),
    *("--set-json", f"workers.data.volume={json.dumps(DATA)}"),
)


def pool(template: Any) -> dict[str, Any]:
    return resource("WorkerPool", "tried", {"queues": ["tried"], "template": template})


DEFAULTS = WorkerDefaults("twin-operator:0.1.0", "IfNotPresent", "twin-operator-worker", [], 9090)
CLASSES = ("priorityClassName", "runtimeClassName")  # which would have to be in the cluster
EDITOR = "paul"
MAY_EDIT_POOLS = [{"apiGroups": ["twinops.dev"], "resources": ["workerpools"], "verbs": ["create", "patch"]}]


def rights(namespace: str) -> list[dict[str, Any]]:
    """Return the objects that let the editor write pools in a namespace."""
    group = "rbac.authorization.k8s.io"
    metadata = {"apiVersion": f"{group}/v1", "metadata": {"name": "pool-editor", "namespace": namespace}}
    subjects = [{"apiGroup": group, "kind": "User", "name": EDITOR}]
    role = {"apiGroup": group, "kind": "Role", "name": "pool-editor"}
    return [
        {**metadata, "kind": "Role", "rules": MAY_EDIT_POOLS},
        {**metadata, "kind": "RoleBinding", "subjects": subjects, "roleRef": role},
    ]


@pytest.fixture(scope="module")
def namespace(kube: Kube, helm: Helm) -> Iterator[str]:
    """A namespace of pools where the policy holds; a pool whose template is older than the policy is in it."""
    name = f"templates-{uuid.uuid4().hex[:8]}"
    other = f"{name}-other"
    for each in (name, other):
        kube.kubectl("create", "namespace", each)
        kube.apply(*rights(each))
    older = resource("WorkerPool", "older", {"queues": ["older"], "template": {"spec": {"hostNetwork": True}}})
    assert kube.requests.refusal("", "POST", collection(name, "WorkerPool"), older) == ""
    manifests = helm.template((*ADDRESSES, *VALUES), name)
    policy = [each for each in manifests if each["metadata"]["name"] == "twin-operator-pool-templates"]
    kube.apply(*policy)
    kube.until(lambda: "spec.hostNetwork" in refusal(kube, name, {"spec": {"hostNetwork": True}}))
    yield name
    kube.kubectl("delete", "--wait=false", "-f", "-", input=yaml.safe_dump_all(policy))
    kube.kubectl("delete", "namespace", name, other, "--wait=false")


def refusal(kube: Kube, namespace: str, template: Template, user: str = EDITOR) -> str:
    path = f"{collection(namespace, 'WorkerPool')}?{DRY_RUN}"
    return kube.requests.refusal(user, "POST", path, pool(template))


def first_violation(template: Template) -> str:
    """Return the operator's first sentence about a template, with the path as the policy writes it."""
    sentence = violations(template, ALLOWANCE)[0].removesuffix(".")
    return re.sub(r"\[[0-9]+\]", "[]", sentence)


@pytest.mark.parametrize("template", [template for template, _ in REFUSED.values()], ids=REFUSED)
def test_a_template_that_breaks_a_rule_is_refused_with_the_operators_sentence(
    kube: Kube, namespace: str, template: Template
) -> None:
    found = refusal(kube, namespace, template)
    assert found.endswith(first_violation(template)), found


def test_each_rule_is_decided_as_the_operator_decides_it(kube: Kube, namespace: str) -> None:
    answers = {name: refusal(kube, namespace, template) for name, template in BREAKING.items()}
    wrong = {name: found for name, found in answers.items() if not found.endswith(first_violation(BREAKING[name]))}
    assert wrong == {}


@pytest.mark.parametrize("template", ACCEPTED.values(), ids=ACCEPTED)
def test_a_template_that_keeps_to_the_rules_is_taken(kube: Kube, namespace: str, template: Template) -> None:
    assert refusal(kube, namespace, template) == ""


@pytest.fixture(scope="module")
def restricted(kube: Kube, namespace: str) -> str:
    """A namespace whose Pods must be restricted, with the accounts of the templates."""
    name = f"{namespace}-other"
    kube.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    for account in ("twin-operator-worker", "spark"):
        kube.kubectl("create", "serviceaccount", account, "-n", name)
    return name


@pytest.mark.parametrize("template", ACCEPTED.values(), ids=ACCEPTED)
def test_the_pod_of_a_template_that_is_taken_is_restricted(kube: Kube, restricted: str, template: Template) -> None:
    pool = WorkerPool.model_validate({"metadata": {"name": "tried"}, "spec": {"queues": ["a"], "template": template}})
    pod = deployment_manifest(pool, DEFAULTS, 1)["spec"]["template"]
    spec = {key: value for key, value in pod["spec"].items() if key not in CLASSES}
    spec["volumes"] = [{"name": v["name"], "emptyDir": {}} if ALLOWANCE.is_data(v) else v for v in spec["volumes"]]
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {**pod["metadata"], "name": "tried"}, "spec": spec}
    assert kube.requests.refusal("", "POST", f"/api/v1/namespaces/{restricted}/pods?{DRY_RUN}", body) == ""


def test_a_large_template_is_within_the_costs_of_the_api_server(kube: Kube, namespace: str) -> None:
    env = [{"name": f"VARIABLE_{number}", "value": "1"} for number in range(200)]
    volumes = [{"name": f"v{number}", "secret": {"secretName": "s3"}} for number in range(50)]
    mounts = [{"name": f"v{number}", "mountPath": f"/v{number}"} for number in range(50)]
    large = {"spec": {"volumes": volumes, "containers": [{"name": "worker", "env": env, "volumeMounts": mounts}]}}
    assert refusal(kube, namespace, large) == ""


def test_a_stored_template_keeps_nobody_from_changing_the_rest_of_its_pool(kube: Kube, namespace: str) -> None:
    one = f"{collection(namespace, 'WorkerPool')}/older?{DRY_RUN}"
    assert kube.requests.refusal(EDITOR, "PATCH", one, {"spec": {"concurrency": 2}}) == ""
    again = {"spec": {"template": {"spec": {"hostPID": True}}}}
    assert "spec.template.spec.hostNetwork" in kube.requests.refusal(EDITOR, "PATCH", one, again)


def test_templates_of_other_namespaces_are_not_the_policys(kube: Kube, namespace: str) -> None:
    assert refusal(kube, f"{namespace}-other", {"spec": {"hostNetwork": True}}) == ""


def test_whoever_may_change_the_policy_is_not_held_by_it(kube: Kube, namespace: str) -> None:
    assert refusal(kube, namespace, {"spec": {"hostNetwork": True}}, user="") == ""


def test_the_operator_is_told_what_the_policy_allows(helm: Helm) -> None:
    manifests = helm.template((*ADDRESSES, *VALUES))
    operator = next(each for each in manifests if each["kind"] == "Deployment")
    env = operator["spec"]["template"]["spec"]["containers"][0]["env"]
    told = next(each["value"] for each in env if each["name"] == "TWINOPS_TEMPLATES_ALLOWED")
    expected = AllowedInTemplates.model_validate({**ALLOWED, "dataVolume": DATA})
    assert AllowedInTemplates.model_validate_json(told) == expected
