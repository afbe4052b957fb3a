"""Every image of a release can be named by digest, that of workers too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tests.integration.chart.conftest import Helm
from tests.integration.chart.test_chart import environment
from tests.integration.chart.test_ports import ALL, pods

IMAGES: Final = {
    "image": "twin-operator",
    "redis.bundled.image": "redis",
    "mlflow.bundled.image": "ghcr.io/mlflow/mlflow",
    "postgresql.bundled.image": "postgres",
}
DIGESTS: Final = {value: f"sha256:{number:064x}" for number, value in enumerate(IMAGES)}
BY_DIGEST: Final = {f"{repository}@{DIGESTS[value]}" for value, repository in IMAGES.items()}
VALUES: Final = (*ALL, *(word for value in IMAGES for word in ("--set", f"{value}.digest={DIGESTS[value]}")))


def images(manifests: list[dict[str, Any]]) -> Iterator[str]:
    for pod in pods(manifests):
        spec = pod["spec"]
        yield from (each["image"] for each in (*spec["containers"], *spec.get("initContainers", [])))


def test_digests_replace_every_tag(offline_helm: Helm) -> None:
    manifests = offline_helm.template(VALUES)
    assert set(images(manifests)) == BY_DIGEST
    assert len(list(images(manifests))) > len(BY_DIGEST)


def test_a_digest_wins_over_a_tag(offline_helm: Helm) -> None:
    tags = [word for value in IMAGES for word in ("--set", f"{value}.tag=9.9.9")]
    assert offline_helm.template((*VALUES, *tags)) == offline_helm.template(VALUES)


def test_workers_have_the_image_of_the_operator(offline_helm: Helm) -> None:
    manifests = offline_helm.template(VALUES)
    expected = f"twin-operator@{DIGESTS['image']}"
    assert environment(manifests)["TWINOPS_WORKER_IMAGE"] == expected
    (policy,) = [each for each in manifests if each["kind"] == "ValidatingAdmissionPolicy" and is_of_templates(each)]
    (image,) = [each["expression"] for each in policy["spec"]["variables"] if expected in each["expression"]]
    assert image == f'"{expected}"'


def is_of_templates(policy: dict[str, Any]) -> bool:
    name: str = policy["metadata"]["name"]
    return name.endswith("-pool-templates")
