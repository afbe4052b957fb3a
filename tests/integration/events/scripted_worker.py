"""A worker whose tasks do what their payload says, in the frame and the process of the real ones."""

from __future__ import annotations

import sys
import time

from tests.fakes.attempts import untraced
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.runs.run import Outcome, Task, TaskKind
from twin_operator.settings import Settings
from twin_operator.wiring.worker import build_claims
from twin_operator.worker.leases import LeaseThread
from twin_operator.worker.process import serve
from twin_operator.worker.tasks import Frame


def act(task: Task) -> Outcome:
    """Do what the payload says."""
    what, *rest = task.payload["do"].split()
    if what == "break":
        raise ValueError("broken on purpose")
    if what == "refuse":
        return Outcome(Reason.UNKNOWN_ARM, "There is no such arm.")
    if what == "take":
        time.sleep(float(rest[0]))
    return Outcome(Reason.SUCCEEDED, "done", {})


def build_frame(settings: Settings) -> Frame:
    """Build the frame of the real worker around other work."""
    claims = build_claims(settings)
    return Frame(claims, LeaseThread(claims), {TaskKind.SIMULATE: act}, untraced())


if __name__ == "__main__":
    serve(Settings(), sys.argv[1].split(","), 2, "Light", build_frame)
