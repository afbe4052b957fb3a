"""A worker of the soak: as it is shipped, but a question takes as long as its seed says, and the answer is a given one.

Arguments: queue, folder. The folder holds the answer and the journal: a line when an attempt begins, every quarter of
a second while it lasts, and when it ends, so that two at the same time would be seen whatever killed them.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from tests.fakes.attempts import untraced
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.cli.startup import configure_logging
from twin_operator.services.runs.run import Outcome, Task, TaskKind
from twin_operator.settings import LogFormat, Settings
from twin_operator.wiring.worker import build_claims
from twin_operator.worker.leases import LeaseThread
from twin_operator.worker.process import serve
from twin_operator.worker.tasks import Frame

TICK = 0.25  # seconds between two signs of life


def seconds_of(seed: int) -> float:
    """Return how long the question with this seed takes: 0.5 to 5 s, in no order."""
    return 0.5 + (seed * 7919) % 46 / 10


def write(journal: Path, event: str, seed: int) -> None:
    """Write a line; one short write in append mode is atomic."""
    with journal.open("a") as lines:
        lines.write(f"{event} {seed} {os.environ['TWINOPS_IDENTITY']}/{os.getpid()} {time.time()}\n")


def main() -> None:
    """Run it."""
    queue, folder = sys.argv[1], Path(sys.argv[2])

    def answer(task: Task) -> Outcome:
        seed = task.payload["spec"]["seed"]
        write(folder / "journal", "begin", seed)
        end = time.monotonic() + seconds_of(seed)
        while time.monotonic() < end:
            time.sleep(TICK)
            write(folder / "journal", "tick", seed)
        write(folder / "journal", "end", seed)
        return Outcome(Reason.SUCCEEDED, "as given", json.loads((folder / "answer.json").read_text()))

    def frame(settings: Settings) -> Frame:
        claims = build_claims(settings)
        return Frame(claims, LeaseThread(claims), {TaskKind.SIMULATE: answer}, untraced())

    configure_logging(LogFormat.TEXT, ())
    serve(Settings(), [queue], 1, "Light", frame)


if __name__ == "__main__":
    main()
