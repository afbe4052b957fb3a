"""What to print when the demo fails, to show the cause."""

from __future__ import annotations

from collections.abc import Callable

from demo.install import NAMESPACE
from demo.kubernetes import CommandError, Kubernetes
from demo.telling import show
from demo.watching import describe, phase_of

_OBJECTS = 40  # whose conditions are shown: hundreds of questions that wait say the same
_LINES = "25"  # of each log: the last error with what led to it


def show_trouble(kubernetes: Kubernetes) -> None:
    """Print conditions of what is not done, Pods, warnings and the ends of the operator's and the workers' logs."""
    _section("Conditions", lambda: _conditions(kubernetes))
    _section("Pods", lambda: kubernetes.kubectl("get", "pods", "-A", "-o", "wide"))
    _section("Warnings", lambda: kubernetes.kubectl("get", "events", "-A", "--field-selector", "type=Warning"))
    _section("Logs", lambda: _logs(kubernetes))


def _section(title: str, content: Callable[[], str]) -> None:
    show(f"\n--- {title}")
    try:
        show(content().rstrip())
    except CommandError as error:
        show(str(error))


def _conditions(kubernetes: Kubernetes) -> str:
    items = kubernetes.items("deployments,workerpools,twinmodels,retrainingjobs,simulations", "-A")
    undone = [item for item in items if phase_of(item) != "Succeeded"]
    return "\n".join(line for item in undone[:_OBJECTS] for line in _lines(item))


def _lines(item: dict[str, object]) -> list[str]:
    status = item.get("status")
    conditions = status.get("conditions", []) if isinstance(status, dict) else []
    metadata = item["metadata"]
    name = metadata["name"] if isinstance(metadata, dict) else ""
    return [f"{item['kind']} {name}: {describe(item)}"] + [
        f"    {each['type']}={each['status']} {each.get('reason', '')}: {each.get('message', '')}"
        for each in conditions
    ]


def _logs(kubernetes: Kubernetes) -> str:
    pods = kubernetes.items("pods", "-n", NAMESPACE)
    names = [pod["metadata"]["name"] for pod in pods]
    return "\n".join(f"[{name}]\n{_log(kubernetes, name)}" for name in names)


def _log(kubernetes: Kubernetes, name: str) -> str:
    try:
        return kubernetes.kubectl("logs", name, "-n", NAMESPACE, "--all-containers", "--tail", _LINES)
    except CommandError as error:
        return str(error)
