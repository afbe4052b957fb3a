"""The demo from the first manifest to the last line of the reading."""

from __future__ import annotations

from collections.abc import Sequence

from demo.difference import plain_difference, read_rows
from demo.install import NAMESPACE, install
from demo.kubernetes import Kubernetes
from demo.manifests import FOLDER, load
from demo.reading import Reading, render
from demo.telling import Say, show
from demo.watching import follow

_KINDS = "twinmodels,simulations"


def tell(kubernetes: Kubernetes, say: Say) -> bool:
    """Install the operator, ask a twin, show the answers; False when one does not agree with the plain difference.

    Raises:
        CommandError: kubectl or Helm failed.
        DisappointedError: the twin or an answer failed, or did not come in time.
    """
    say("installing the chart with Helm: CRDs, operator, rights, worker pools")
    install(kubernetes, FOLDER)
    for name in ("twinmodel.yaml", "simulations.yaml"):
        say(f"kubectl apply -f examples/hillstrom/{name}")
        kubernetes.kubectl("apply", "-f", str(FOLDER / name))
    follow(kubernetes, say)
    _show_tables(kubernetes)
    return _show_readings(_readings(kubernetes))


def _show_tables(kubernetes: Kubernetes) -> None:
    for arguments in (("workerpools", "-n", NAMESPACE), (_KINDS, "-o", "wide")):
        show(f"\n$ kubectl get {' '.join(arguments)}")
        show(kubernetes.kubectl("get", *arguments).rstrip())


def _readings(kubernetes: Kubernetes) -> Sequence[Reading]:
    model, questions = load()
    rows = read_rows()
    answers = {item["metadata"]["name"]: item["status"] for item in kubernetes.items("simulations")}
    return [
        Reading(question, answers[question.name], plain_difference(rows, model, question)) for question in questions
    ]


def _show_readings(readings: Sequence[Reading]) -> bool:
    show("\nWhat the twin says, beside a plain difference of means on the same rows")
    for reading in readings:
        show("\n" + render(reading))
    return all(reading.agrees for reading in readings)
