"""What every chapter of the story acts with: the cluster, an eye on it, the data folder of the workers, and a voice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from demo.kubernetes import Kubernetes
from demo.manifests import EXAMPLES
from demo.outcomes import Outcome
from demo.platform import PROJECT
from demo.tables import points
from demo.telling import Say, show
from demo.watching import Watch


@dataclass(frozen=True)
class Stage:
    """Where a chapter takes place.

    Attributes:
        kubernetes: kubectl and Helm.
        watch: says what changes, and waits.
        data: the folder that workers see as /data.
        say: a line of the story.
    """

    kubernetes: Kubernetes
    watch: Watch
    data: Path
    say: Say

    def apply(self, folder: str, *names: str, namespace: str | None = None) -> None:
        """Apply manifests of a folder in examples/, in the namespace of kubectl's context where none is named."""
        where = ["-n", namespace] if namespace else []
        for name in names:
            file = EXAMPLES / folder / name
            self.say(" ".join(["kubectl apply", *where, "-f", str(file.relative_to(PROJECT))]))
            self.kubernetes.kubectl("apply", *where, "-f", str(file))

    def record(self, outcomes: Iterable[Outcome]) -> None:
        """Record each outcome on the Simulation that is named as its campaign."""
        for outcome in outcomes:
            found = points(outcome.difference.estimate)
            self.say(f"kubectl patch simulation {outcome.campaign}: its campaign is over and brought {found} points")
            self.kubernetes.kubectl("patch", "simulation", outcome.campaign, "--type=merge", "-p", outcome.patch)

    def show_table(self, *arguments: str) -> None:
        """Show what `kubectl get` prints."""
        show(f"\n$ kubectl get {' '.join(arguments)}")
        show(self.kubernetes.kubectl("get", *arguments).rstrip())
