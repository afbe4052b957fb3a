"""A worker as it is shipped, but for its work: it sleeps, and writes down when each attempt begins and ends.

Arguments: queues, concurrency, path of the journal.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
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


def sleeper(journal: Path, worker: str) -> Callable[[Task], Outcome]:
    """Return work that sleeps for `payload["seconds"]`."""

    def write(event: str, run: str) -> None:
        with journal.open("a") as lines:  # one short write in append mode is atomic
            lines.write(f"{event} {run} {worker} {os.getpid()} {time.time()}\n")

    def sleep(task: Task) -> Outcome:
        write("begin", task.run)
        time.sleep(task.payload["seconds"])
        write("end", task.run)
        return Outcome(Reason.SUCCEEDED, "slept well")

    return sleep


def main() -> None:
    """Run it."""
    queues, concurrency, journal = sys.argv[1:]

    def frame(settings: Settings) -> Frame:
        claims = build_claims(settings)
        return Frame(
            claims, LeaseThread(claims), {TaskKind.SIMULATE: sleeper(Path(journal), settings.identity)}, untraced()
        )

    configure_logging(LogFormat.TEXT, ())
    serve(Settings(), queues.split(","), int(concurrency), "Light", frame)


if __name__ == "__main__":
    main()
