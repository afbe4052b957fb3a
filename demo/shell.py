"""Commands as a user types them, objects as kubectl gives them, and a wait that prints what changes."""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from demo.output import PROJECT, console, say, show

Json = Mapping[str, Any]
Objects = Mapping[str, Json]
"""Objects of the cluster by kind and name, such as `Simulation/mens-email`."""

NAMESPACE = "twin-operator"
_COMMAND_WITHIN = 600  # seconds, with all that a command waits for
_OBJECTS_WITHIN = 600.0  # seconds: it ends what hangs; on two quiet cores a wait takes up to one minute
_POLL = 1.0  # seconds: short for a reader, and kubectl leaves the cores to the training
_SHOWN = ("Faithful", "Retrainable", "Promoted")  # conditions; of Ready the reason while it is False


class CommandError(Exception):
    """A command failed; the message is its output."""


class WaitError(Exception):
    """Something failed for good, or did not come in time; the message says what."""


@dataclass
class Shell:
    """Runs commands in the folder of the project.

    Attributes:
        environment: variables by which kubectl and Helm are found and find the cluster.
    """

    environment: Mapping[str, str]
    _printed: dict[str, str] = field(default_factory=dict)

    def run(self, command: str, text: str = "") -> str:
        """Run a command with `text` as its input, and give its output.

        Raises:
            CommandError: it failed.
        """
        done = subprocess.run(  # noqa: S603 - commands of the demo
            shlex.split(command),
            input=text,
            cwd=PROJECT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=_COMMAND_WITHIN,
            check=False,
        )
        if done.returncode != 0:
            raise CommandError(f"{command}\n{done.stderr.strip()}")
        return done.stdout

    def watch(self, command: str) -> subprocess.Popen[str]:
        """Start a command that goes on until it is terminated; its output is in `stdout`."""
        return subprocess.Popen(  # noqa: S603 - likewise
            shlex.split(command), env=self.environment, stdout=subprocess.PIPE, text=True
        )

    def show(self, command: str) -> None:
        """Show a command and its output."""
        show(f"\n$ {command}\n{self.run(command)}")

    def apply(self, arguments: str) -> list[str]:
        """Apply a manifest, such as `-f FILE`, and give the names of its objects."""
        command = f"kubectl apply {arguments}"
        say(f"$ {command}")
        return [line.partition("/")[2] for line in self.run(f"{command} -o name").split()]

    def items(self, query: str) -> list[Json]:
        """Give the objects that `kubectl get` finds."""
        found: list[Json] = json.loads(self.run(f"kubectl get {query} -o json"))["items"]
        return found

    def wait(self, awaited: str, done: Callable[[Objects], bool]) -> Objects:
        """Print what changes until the objects are as awaited, and give them.

        Raises:
            WaitError: one of them failed for good, or it took too long.
        """
        deadline = time.monotonic() + _OBJECTS_WITHIN
        with console.status(f"waiting for {awaited}"):
            while True:
                items = self.items("twinmodels,simulations,retrainingjobs,workerpools -A")
                objects = {f"{item['kind']}/{item['metadata']['name']}": item for item in items}
                print_changes(objects, self._printed)
                refuse_failures(items)
                if done(objects):
                    return objects
                if time.monotonic() > deadline:
                    raise WaitError(f"not seen within {_OBJECTS_WITHIN:.0f} seconds: {awaited}")
                time.sleep(_POLL)

    def wait_for_simulations(self, names: Sequence[str], *, graded: bool = False) -> list[Json]:
        """Wait until these Simulations have results, or their outcomes grades; give them in this order."""
        keys = [f"Simulation/{name}" for name in names]
        found = self.wait(
            f"{'grades' if graded else 'answers'} of {', '.join(names)}",
            lambda objects: all(_is_done(objects.get(key, {}), graded=graded) for key in keys),
        )
        return [found[key] for key in keys]


def _is_done(simulation: Json, *, graded: bool) -> bool:
    return phase(simulation) == "Succeeded" and (not graded or "fidelity" in simulation["status"])


def phase(item: Json) -> str:
    """Give the phase of an object; Pending before it has one."""
    return str(item.get("status", {}).get("phase", "Pending"))


def condition(item: Json, kind: str) -> Json:
    """Give a condition of an object; an empty one where it has none."""
    conditions: list[Json] = item.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == kind), {})


def describe(item: Json) -> str:
    """Describe an object by its phase and the conditions that a reader of the demo needs."""
    ready = condition(item, "Ready")
    text = f"{phase(item)} ({ready['reason']})" if ready.get("status") == "False" else phase(item)
    known = [each for each in (condition(item, kind) for kind in _SHOWN) if each.get("status") in {"True", "False"}]
    return ", ".join([text, *(f"{each['type']}={each['status']} ({each['reason']})" for each in known)])


def print_changes(objects: Objects, printed: dict[str, str]) -> None:
    """Print what changed since the last time, in one line for all of a kind that changed alike."""
    names: dict[tuple[str, str], list[str]] = {}
    for key, item in objects.items():
        state = describe(item)
        if printed.get(key) != state:
            printed[key] = state
            names.setdefault((item["kind"], state), []).append(item["metadata"]["name"])
    for (kind, state), changed in names.items():
        say(f"{kind} {', '.join(changed)}: {state}")


def refuse_failures(items: Iterable[Json]) -> None:
    """Find what does not end well without a user's change.

    Raises:
        WaitError: an object is stalled or has failed.
    """
    for item in items:
        if phase(item) == "Failed" or condition(item, "Stalled").get("status") == "True":
            message = condition(item, "Ready").get("message")
            raise WaitError(f"{item['kind']} {item['metadata']['name']}: {describe(item)}: {message}")
