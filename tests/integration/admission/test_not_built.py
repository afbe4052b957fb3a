"""Fields that are not built yet: refused where they are new, and no obstacle to changes of an object that has them."""

import copy
import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.integration.admission.asking import FullManifest, Kube
from twin_operator.api.v1alpha1 import Simulation
from twin_operator.crdgen.definition import custom_resource_definition

GROUP = "stored.example"  # a copy of the kind: the tests next to this one rely on the real one
RULES = "x-kubernetes-validations"


def definition(*, refuses: bool) -> dict[str, Any]:
    """Return the CRD of the copy, as a release before the list had it or as it is now."""
    crd = copy.deepcopy(custom_resource_definition(Simulation))
    crd["metadata"]["name"] = f"simulations.{GROUP}"
    crd["spec"]["group"] = GROUP
    crd["spec"]["names"] |= {"shortNames": [], "categories": []}
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    if not refuses:
        del spec["properties"]["subgroups"][RULES]
    return crd


@pytest.fixture
def apply(kube: Kube) -> Iterator[Any]:
    def apply_crd(crd: dict[str, Any]) -> None:
        kube.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=yaml.safe_dump(crd))
        kube.kubectl("wait", "--for=condition=Established", f"crd/{crd['metadata']['name']}")

    yield apply_crd
    kube.kubectl("delete", "crd", f"simulations.{GROUP}", "--ignore-not-found")


def test_a_stored_object_that_has_such_a_field_can_still_be_changed(
    kube: Kube, apply: Any, full_manifest: FullManifest
) -> None:
    apply(definition(refuses=False))
    manifest = full_manifest("Simulation", {"spec.subgroups": ["channel"], "spec.suspend": True})
    stored = json.dumps({**manifest, "apiVersion": f"{GROUP}/v1alpha1", "metadata": {"name": "mens"}})
    kube.kubectl("create", "-f", "-", input=stored)
    apply(definition(refuses=True))
    another = stored.replace('"mens"', '"womens"')
    with pytest.raises((subprocess.CalledProcessError, AssertionError), match="subgroups is not supported yet"):
        kube.kubectl("create", "-f", "-", input=another)
    kube.kubectl("patch", f"simulations.{GROUP}", "mens", "--type=merge", "-p", '{"spec": {"suspend": false}}')
    assert kube.kubectl("get", f"simulations.{GROUP}", "mens", "-o", "jsonpath={.spec.suspend}") == "false"
