"""`kubectl twin` as people run it: found by kubectl on PATH, with a kubeconfig of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.chart.people import Manifest, People, job, model, resource

QUESTION = {"modelRef": {"name": "spring"}, "intervention": {"arm": "Email"}}


@dataclass
class Desk:
    """A machine where people work with kubectl; each has a kubeconfig."""

    people: People
    folder: Path

    def kubectl(self, who: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run kubectl with somebody's kubeconfig, and the plugin's program on PATH."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        return subprocess.run(
            [str(self.people.kube.cluster.kubectl), *arguments],
            env={**os.environ, "PATH": path, "KUBECONFIG": str(self.folder / who)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def says(self, who: str, *arguments: str) -> str:
        """Run `kubectl twin`, which must end well, and return what it prints."""
        answer = self.kubectl(who, "twin", *arguments)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout.strip()

    def refuses(self, who: str, *arguments: str) -> str:
        """Run `kubectl twin`, which must end with code 1, and return its complaint."""
        answer = self.kubectl(who, "twin", *arguments)
        assert (answer.returncode, answer.stdout) == (1, "")
        return answer.stderr.strip()

    def user(self, who: str) -> str:
        """Return the name by which the cluster knows somebody."""
        return f"system:serviceaccount:{self.people.namespace}:{who}"

    def hire(self, who: str, role: str) -> None:
        """Give somebody an account, a role and a kubeconfig."""
        run, namespace = self.people.run, self.people.namespace
        run("", "create", "serviceaccount", who)
        run("", "create", "rolebinding", f"desk-{who}", f"--clusterrole={role}", f"--serviceaccount={namespace}:{who}")
        settings = yaml.safe_load(self.people.kube.kubeconfig.read_text())
        settings["users"] = [{"name": who, "user": {"token": run("", "create", "token", who).strip()}}]
        settings["contexts"][0]["context"] |= {"user": who, "namespace": namespace}
        settings["current-context"] = settings["contexts"][0]["name"]
        (self.folder / who).write_text(yaml.safe_dump(settings))


@pytest.fixture(scope="module")
def desk(people: People, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """An editor and an approver, two models of which one was trained twice, and jobs."""
    desk = Desk(people, tmp_path_factory.mktemp("desk"))
    desk.hire("ed", "twin-editor")
    desk.hire("ann", "twin-approver")
    for name in ("spring", "fresh"):
        assert not people.create("", model(name))
    for name in ("spring-a", "spring-b", "spring-c", "spring-d"):
        assert not people.create("ed", job(name))
    people.serve("spring")
    status = {"status": {"retraining": {"previousVersion": "2", "activeJob": "spring-a"}}}
    assert not people.change(people.operator, "TwinModel/spring/status", status)
    return desk


def spec_of(desk: Desk, what: str) -> Manifest:
    spec: Manifest = read(desk, what)["spec"]
    return spec


def read(desk: Desk, what: str) -> Manifest:
    body: Manifest = json.loads(desk.people.run("", "get", what, "-o", "json", "--show-managed-fields"))
    return body


def test_an_approval_is_signed_with_the_name_that_the_cluster_knows(desk: Desk) -> None:
    assert desk.says("ann", "approve", "spring-a", "--message", "looks right").endswith(desk.user("ann"))
    approval = {"approved": True, "by": desk.user("ann"), "message": "looks right"}
    assert spec_of(desk, "retrainingjob/spring-a")["approval"] == approval


def test_a_rejection_is_for_good(desk: Desk) -> None:
    assert "rejected" in desk.says("ann", "reject", "spring-b")
    assert spec_of(desk, "retrainingjob/spring-b")["approval"]["approved"] is False
    assert "approval can be set once" in desk.refuses("ann", "approve", "spring-b")


def test_writes_are_under_a_field_manager_that_flux_leaves_alone(desk: Desk) -> None:
    desk.says("ed", "cancel", "spring-c")
    body = read(desk, "retrainingjob/spring-c")
    assert body["spec"]["cancel"] is True
    managers = {each["manager"] for each in body["metadata"]["managedFields"]}
    assert managers == {"people", "twin-operator-cli"}


def test_an_editor_is_refused_in_one_sentence(desk: Desk) -> None:
    complaint = desk.refuses("ed", "approve", "spring-d")
    assert complaint == (
        "error: setting spec.approval needs the RBAC verb approve on this RetrainingJob: leave it out, and ask someone "
        "with the ClusterRole twin-approver to decide"
    )
    assert "approval" not in spec_of(desk, "retrainingjob/spring-d")


@pytest.mark.parametrize(
    ("who", "options", "asked"),
    [
        ("ed", ("--message", "new quarter"), {"trigger": {"type": "Manual", "message": "new quarter"}}),
        ("ann", ("--override-cooldown",), {"overrideCooldown": True}),
        ("ann", ("--max-regression", "0.02"), {"gate": {"maxRegression": 0.02}}),
    ],
)
def test_a_retraining_is_asked_for(desk: Desk, who: str, options: tuple[str, ...], asked: dict[str, Any]) -> None:
    created = desk.says(who, "retrain", "spring", *options).split()[0]
    assert created.startswith("retrainingjob/spring-")
    spec = spec_of(desk, created)
    assert spec["modelRef"] == {"name": "spring"}
    assert {name: spec[name] for name in asked} == asked


@pytest.mark.parametrize("options", [("--override-cooldown",), ("--max-regression", "0.02")])
def test_an_editor_cannot_have_an_easier_retraining(desk: Desk, options: tuple[str, ...]) -> None:
    assert "needs the RBAC verb approve" in desk.refuses("ed", "retrain", "spring", *options)


def test_a_misspelt_name_is_told(desk: Desk) -> None:
    assert desk.refuses("ed", "retrain", "sprnig") == 'error: twinmodels.twinops.dev "sprnig" not found'
    assert desk.refuses("ann", "approve", "none") == 'error: retrainingjobs.twinops.dev "none" not found'


def test_an_outcome_is_recorded_once(desk: Desk) -> None:
    assert not desk.people.create("ed", resource("Simulation", "mens", QUESTION))
    outcome = ("--experiment", "spring-25", "--effect", "-0.071")
    assert "standardError" in desk.refuses("ed", "observe", "mens", *outcome)
    desk.says("ed", "observe", "mens", *outcome, "--low", "-0.08", "--high", "-0.06", "--confidence", "0.95")
    observed = {"experiment": "spring-25", "effect": -0.071, "low": -0.08, "high": -0.06, "confidence": 0.95}
    assert spec_of(desk, "simulation/mens")["observed"] == observed
    assert "observed can be set once" in desk.refuses("ed", "observe", "mens", *outcome, "--sample-size", "900")


def test_a_rollback_is_asked_for_by_annotations(desk: Desk) -> None:
    assert "need the RBAC verb approve" in desk.refuses("ed", "rollback", "spring", "--reason", "too hopeful")
    said = desk.says("ann", "rollback", "spring", "--reason", "too hopeful")
    assert said == "twinmodel/spring is to serve version 2 in place of 3"
    annotations = read(desk, "twinmodel/spring")["metadata"]["annotations"]
    wanted = {"from": "3", "to": "2", "reason": "too hopeful", "by": desk.user("ann")}
    assert annotations == {f"twinops.dev/rollback-{part}": text for part, text in wanted.items()}


def test_a_model_that_does_not_serve_cannot_be_rolled_back(desk: Desk) -> None:
    assert "No version of TwinModel fresh serves" in desk.refuses("ann", "rollback", "fresh", "--reason", "x")


def test_the_status_of_models_is_a_table(desk: Desk) -> None:
    header, fresh, spring = desk.says("ann", "status").splitlines()
    assert header.split() == ["NAME", "VERSION", "FIDELITY", "FAITHFUL", "RETRAINABLE", "ACTIVE", "JOB"]
    assert (fresh.split()[0], spring.split()) == ("fresh", ["spring", "3", "-", "-", "-", "spring-a"])
    assert desk.says("ann", "status", "spring").splitlines()[1:] == [spring]


def test_a_job_is_listed_while_it_waits_and_not_cancelled_once_it_has_finished(desk: Desk) -> None:
    assert not desk.people.create("ed", job("spring-e"))
    waiting = {"status": {"phase": "AwaitingApproval"}}
    assert not desk.people.change(desk.people.operator, "RetrainingJob/spring-e/status", waiting)
    for options in ([], ["spring"]):
        header, line = desk.says("ann", "status", *options).splitlines()[-2:]
        assert (header.split()[:3], line.split()[:2]) == (["WAITING", "FOR", "APPROVAL"], ["spring-e", "spring"])
    assert "spring-e" not in desk.says("ann", "status", "fresh")
    ended = {"status": {"phase": "Completed", "candidate": {"version": "4"}}}
    assert not desk.people.change(desk.people.operator, "RetrainingJob/spring-e/status", ended)
    assert "has finished (Completed)" in desk.refuses("ed", "cancel", "spring-e")
    complaint = desk.refuses("ann", "rollback", "spring", "--to", "77", "--reason", "too hopeful")
    assert complaint == "error: TwinModel spring has no version 77: known are 2, 3, 4."


def test_namespaces_are_chosen_as_with_kubectl(desk: Desk) -> None:
    assert desk.says("ann", "status", "-n", desk.people.namespace).startswith("NAME ")
    assert "cannot list resource" in desk.refuses("ann", "status", "-n", "default")
    assert "cannot list resource" in desk.refuses("ann", "status", "-A")
    everywhere = desk.says("ann", "status", "-A", "--kubeconfig", str(desk.people.kube.kubeconfig))
    assert everywhere.startswith("NAMESPACE ")
