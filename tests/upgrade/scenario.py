"""The upgrade of a release with work in progress, and what was there before and after."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.journey import experiments
from tests.upgrade.installation import FIRST_IMAGE, NAMESPACE, NEXT_IMAGE, WITHIN, Installation
from tests.upgrade.watching import Watch

JSON = dict[str, Any]

EFFECT = 0.15  # of the letter on the probability of a reply
LATER, MEANWHILE = 80, 120  # Simulations whose queue no worker serves until the upgrade is over, and all others
BATCH = 6  # Simulations applied at once: a batch takes about two seconds, so that they cover the upgrade
BENT = {"algorithm": "GradientBoosting"}  # learns what Linear, the algorithm of all other models, cannot
FINISHED = {"twinmodel": "letters", "simulation": "first", "retrainingjob": "first-again"}
WAVES = "file:///data/waves.csv"
BUNDLED = "bundled"


@dataclass(frozen=True)
class Snapshot:
    """What a user sees of finished objects and of Secrets."""

    objects: dict[str, JSON]  # by kind
    tables: dict[str, dict[str, str]]  # what `kubectl get` shows: columns by name, by kind
    secrets: dict[str, dict[str, str]]  # data by namespace and name


@dataclass(frozen=True)
class Upgraded:
    """The release after the upgrade, when all work has ended."""

    installation: Installation
    before: Snapshot
    after: Snapshot
    ends: dict[str, set[tuple[str, ...]]]  # the different ends of each Simulation, as a watch saw them


def upgrade(installation: Installation, first_chart: Path) -> Upgraded:
    """Install the first release, begin work, upgrade to the working tree, and wait until all work has ended."""
    next_chart = Path(installation.helm.chart)
    installation.release("install", first_chart, FIRST_IMAGE)
    _bundled(installation, "install", first_chart)
    _finish_some_work(installation)
    before = _snapshot(installation)
    with Watch(installation.kube, NAMESPACE) as watch:
        _begin_work(installation)
        with ThreadPoolExecutor(2) as background:
            upgrading = background.submit(installation.release, "upgrade", next_chart, NEXT_IMAGE)
            releasing = background.submit(_let_trainings_end, installation)
            _ask_meanwhile(installation, upgrading)
            releasing.result()
        _bundled(installation, "upgrade", next_chart)
        installation.kubectl("scale", "workerpool/later", "--replicas=1")
        _await_all(installation)
        after = _snapshot(installation)
    return Upgraded(installation, before, after, watch.ends())


def _bundled(installation: Installation, verb: str, chart: Path) -> None:
    """Have a second release with a Secret of every kind, of which nothing runs here."""
    bundled: JSON = {"bundled": {"enabled": True}}
    values = {
        "redis": {**bundled, "tls": {"enabled": True}},
        "mlflow": bundled,
        "postgresql": bundled,
        "userRoles": {"create": False},  # the first release has them
        "operator": {"nodeSelector": {"no": "node"}},
    }
    installation.run_helm(verb, BUNDLED, chart, BUNDLED, values, "--create-namespace")


def _finish_some_work(installation: Installation) -> None:
    """Have a model, a graded Simulation and a retraining that ended before the upgrade."""
    folder = installation.data.folder
    experiments.write(folder / "waves.csv", experiments.rows(experiments.waves(6), EFFECT))
    for name in ("curved", "deep"):
        experiments.write(folder / f"{name}.csv", experiments.rows(experiments.waves(6), EFFECT, seed=5, curved=True))
    installation.apply("TwinModel", {"letters": _model(WAVES), "curved": _model(f"{installation.data.url}curved.csv")})
    for name in ("letters", "curved"):
        installation.until("twinmodel", name, "jsonpath={.status.phase}=Ready")
    installation.apply("RetrainingJob", {"first-again": {"modelRef": {"name": "letters"}}})
    installation.until("retrainingjob", "first-again", "jsonpath={.status.phase}=Completed")
    # Else the question may be answered by the version before, whose outcomes are not those of the new one.
    installation.until("twinmodel", "letters", "jsonpath={.status.retraining.lastJob}=first-again")
    observed = {"experiment": "real", "effect": EFFECT, "standardError": 0.02}
    installation.apply("Simulation", {"first": _question(0)})
    installation.until("simulation", "first", "jsonpath={.status.phase}=Succeeded")
    installation.apply("Simulation", {"first": {**_question(0), "observed": observed}})
    installation.until("simulation", "first", "jsonpath={.status.fidelity.grade}")
    installation.until("twinmodel", "letters", "jsonpath={.status.fidelity.validations}=1")


def _model(uri: str, **changes: Any) -> JSON:
    retraining = {"cooldown": "0s", "minSamples": 100, "approval": "Automatic"}
    return experiments.spec(uri, retraining=retraining, **changes)


def _question(seed: int, **changes: Any) -> JSON:
    """Return a question unlike all others, so that none is answered from a cache."""
    return {"modelRef": {"name": "letters"}, "intervention": {"arm": "Letter"}, "seed": seed, **changes}


def _begin_work(installation: Installation) -> None:
    """Have a training and a retraining in progress, a training that waits, and Simulations that wait."""
    installation.data.gate.clear()
    installation.apply("TwinModel", {"deep": _model(f"{installation.data.url}deep.csv", learner=BENT)})
    installation.apply("RetrainingJob", {"curved-again": {"modelRef": {"name": "curved"}, "learner": BENT}})
    installation.apply("WorkerPool", {"later": {"queues": ["later"], "replicas": 0}})
    later = {f"later-{number}": _question(1000 + number, queue="later") for number in range(LATER)}
    installation.apply("Simulation", later)
    installation.kube.until(lambda: installation.data.held == {"/curved.csv", "/deep.csv"}, WITHIN)
    installation.until("retrainingjob", "curved-again", "jsonpath={.status.phase}=Training")
    installation.until("twinmodel", "deep", 'jsonpath={.status.conditions[?(@.type=="Reconciling")].reason}=Training')
    installation.apply("TwinModel", {"waiting": _model(WAVES, learner={"algorithm": "Linear", "seed": 9})})
    installation.until("simulation", f"later-{LATER - 1}", "jsonpath={.status.phase}=Queued")


def _let_trainings_end(installation: Installation) -> None:
    """Let them read their data once the workers that have begun them are replaced by workers of the new version."""
    image = "jsonpath={.spec.template.spec.containers[0].image}"
    installation.until("deployment", "twin-operator-heavy", f"{image}={NEXT_IMAGE}")
    installation.data.gate.set()


def _ask_meanwhile(installation: Installation, upgrading: Future[None]) -> None:
    """Ask in batches, each when the one before is answered; all that are left when the upgrade is over."""
    for begin in range(0, MEANWHILE, BATCH):
        numbers = range(begin, begin + BATCH)
        installation.apply("Simulation", {f"meanwhile-{number}": _question(2000 + number) for number in numbers})
        if not upgrading.done():
            installation.until("simulation", f"meanwhile-{numbers[-1]}", "jsonpath={.status.completionTime}")
    upgrading.result()


def _await_all(installation: Installation) -> None:
    for name in ("deep", "waiting"):
        installation.until("twinmodel", name, "jsonpath={.status.phase}=Ready")
    installation.until("retrainingjob", "--all", "jsonpath={.status.completionTime}")
    ended = ("get", "simulations", "-o", "jsonpath={.items[*].status.completionTime}")
    installation.kube.until(lambda: len(installation.kubectl(*ended).split()) == 1 + LATER + MEANWHILE, WITHIN)
    installation.until("workerpool", "--all", "condition=Ready")
    installation.kube.until(lambda: _images(installation) == {NEXT_IMAGE}, WITHIN)


def _images(installation: Installation) -> set[str]:
    """Return the images of all Pods, the ones that are ending among them."""
    return {container["image"] for pod in installation.all("pods") for container in pod["spec"]["containers"]}


def _snapshot(installation: Installation) -> Snapshot:
    secrets = installation.kube.get("secrets", "--all-namespaces", "-l", "app.kubernetes.io/managed-by=Helm")["items"]
    return Snapshot(
        {kind: installation.get(kind, name) for kind, name in FINISHED.items()},
        {kind: _table(installation.kubectl("get", kind, name)) for kind, name in FINISHED.items()},
        {"/".join((each["metadata"]["namespace"], each["metadata"]["name"])): each["data"] for each in secrets},
    )


def _table(text: str) -> dict[str, str]:
    """Read the one row that kubectl shows, by column; cells are separated by three blanks or more."""
    header, row = text.splitlines()
    starts = [
        index
        for index, character in enumerate(header)
        if character != " " and header[max(index - 2, 0) : index] in ("", "  ")
    ]
    cells = zip(starts, [*starts[1:], None], strict=True)
    return {header[begin:end].strip(): row[begin:end].strip() for begin, end in cells}
