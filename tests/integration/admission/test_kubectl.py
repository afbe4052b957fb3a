"""What a person with kubectl sees: explanations, columns, selectors, short names, the scale subresource."""

import uuid
from collections.abc import Callable, Iterator

import pytest
import yaml

from tests.integration.admission.asking import FullManifest, Kube

SIMULATION_STATUS = """
status:
  phase: Succeeded
  modelVersion: "3"
  completionTime: "2026-05-01T12:00:00Z"
  effect: {estimate: 0.0766, low: -0.0108, high: 0.165}
  population: {matched: 64000}
  recommendation: {action: Refine, reason: NotCalibrated, message: Run a trial., probabilityOfBenefit: 0.93}
"""


def row(table: str) -> dict[str, str]:
    """Read the only row of a table by the columns' starts."""
    header, line = table.splitlines()
    starts = [i for i in range(len(header)) if header[i] != " " and header[max(i - 3, 0) : i].strip() == ""]
    ends = [*starts[1:], None]
    return {header[a:b].strip(): line[a:b].strip() for a, b in zip(starts, ends, strict=True)}


@pytest.fixture(scope="module")
def kubectl(kube: Kube, full_manifest: FullManifest) -> Iterator[Callable[..., str]]:
    """Kubectl in a namespace with one object of each kind; the Simulation has its answer."""
    namespace = f"kubectl-{uuid.uuid4().hex[:8]}"
    kube.kubectl("create", "namespace", namespace)

    def run(*arguments: str) -> str:
        return str(kube.kubectl("-n", namespace, *arguments))

    objects = [
        full_manifest("TwinModel"),
        full_manifest("Simulation", {"spec.observed": None}),
        full_manifest("RetrainingJob"),
        full_manifest("WorkerPool", {"spec.autoscaling": None}),
    ]
    kube.kubectl("-n", namespace, "create", "-f", "-", input=yaml.safe_dump_all(objects))
    run("patch", "simulation", "mens", "--subresource=status", "--type=merge", "-p", SIMULATION_STATUS)
    yield run
    kube.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.mark.parametrize(
    ("path", "lesson"),
    [
        ("simulation.spec.population.match", "entropy balancing"),
        ("simulation.spec.population.match.shares", "{Web: 0.6, Phone: 0.4}"),
        ("simulation.spec.decision.confidence", "Default: 0.95."),
        ("twinmodel.spec.uncertainty", "standard deviations of the control arm"),
        ("retrainingjob.spec.approval", "kubectl auth whoami"),
        ("workerpool.spec.template", "merged into the worker's Pods"),
    ],
)
def test_explain_teaches(path: str, lesson: str, kubectl: Callable[..., str]) -> None:
    assert lesson in " ".join(kubectl("explain", path).split())


def test_a_simulation_prints_its_answer(kubectl: Callable[..., str]) -> None:
    printed = row(kubectl("get", "twinsim"))
    assert list(printed) == ["NAME", "PHASE", "MODEL", "ARM", "EFFECT", "LOW", "HIGH", "ACTION", "AGE"]
    assert (printed["ARM"], printed["EFFECT"], printed["ACTION"]) == ("Mens E-Mail", "0.0766", "Refine")


def test_a_wide_simulation_says_why_and_when(kubectl: Callable[..., str]) -> None:
    printed = row(kubectl("get", "twinsim", "-o", "wide"))
    wanted = {"WHY": "NotCalibrated", "P": "0.93", "COMPLETED": "2026-05-01T12:00:00Z", "TTL": "604800"}
    assert {name: printed[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("short", "columns"),
    [
        ("twm", ["NAME", "PHASE", "VERSION", "SAMPLES", "FIDELITY", "READY", "REASON", "AGE"]),
        ("rtj", ["NAME", "PHASE", "MODEL", "TRIGGER", "APPROVED BY", "CANDIDATE", "PROMOTED", "AGE"]),
        ("wpool", ["NAME", "PHASE", "QUEUES", "READY", "DESIRED", "RUNNING", "AGE"]),
    ],
)
def test_a_kind_prints_what_a_person_scans_for(short: str, columns: list[str], kubectl: Callable[..., str]) -> None:
    assert list(row(kubectl("get", short))) == columns


def test_the_category_lists_all_four_kinds(kubectl: Callable[..., str]) -> None:
    kinds = {name.split(".")[0] for name in kubectl("get", "twinops", "-o", "name").split()}
    assert kinds == {"twinmodel", "simulation", "retrainingjob", "workerpool"}


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("status.phase!=Succeeded,status.phase!=Failed", False),
        ("status.phase=Succeeded,spec.modelRef.name=spring", True),
        ("spec.observed.experiment=,status.fidelity.grade=,status.phase=Succeeded", True),
        ("spec.observed.experiment!=,status.fidelity.grade=,status.phase=Succeeded", False),
    ],
)
def test_simulations_are_selected_by_field(selector: str, found: bool, kubectl: Callable[..., str]) -> None:  # noqa: FBT001 - a column of the table
    assert kubectl("get", "twinsim", "-o", "name", "--field-selector", selector).split() == (
        ["simulation.twinops.dev/mens"] if found else []
    )


def test_a_pool_is_scaled_by_its_subresource(kubectl: Callable[..., str]) -> None:
    kubectl("scale", "wpool", "heavy", "--replicas=3")
    assert kubectl("get", "wpool", "heavy", "-o", "jsonpath={.spec.replicas}") == "3"
