"""A burst: every question at the same time to a pool without workers, and a line for each change of the pool."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from rich.progress import Progress

from demo import segments
from demo.output import console, say
from demo.shell import NAMESPACE, Json, Shell, WaitError, phase

POOL, LABEL = "burst", "burst=segments"
_WITHIN = 600.0  # seconds: it ends what hangs; two quiet cores take about one minute
_POLL = 1.5  # seconds
# A table, which the API server renders, has a tenth of the objects' bytes; the phase is its second column.
_QUESTIONS = f"kubectl get simulations -l {LABEL} --no-headers"
_HEADER = ("QUEUE", "OLDEST", "RUNNING", "WORKERS", "WANTED", "ARRIVALS/S", "S/TASK", "DRAIN", "DONE")


def ask(shell: Shell) -> float:
    """Create every question, and follow the pool until it has no workers again.

    Returns:
        when the first question was seen in the cluster, in seconds since the epoch.
    """
    say("$ python -m demo.segments | kubectl create -f -")
    with ThreadPoolExecutor(2) as threads, shell.watch(f"kubectl get simulations -l {LABEL} --watch -o name") as watch:
        try:
            first = threads.submit(_first_line, watch)
            created = threads.submit(shell.run, "kubectl create -f -", segments.manifests())
            _follow(shell, len(segments.questions()), created)
        finally:
            watch.terminate()
    return first.result()


def _first_line(watch: subprocess.Popen[str]) -> float:
    next(iter(watch.stdout or ()), "")
    return time.time()


def _follow(shell: Shell, total: int, created: Future[str]) -> None:
    deadline = time.monotonic() + _WITHIN
    printed = ""
    say(_line(_HEADER))
    with Progress(console=console, transient=True) as progress:
        answers = progress.add_task("answered", total=total)
        while True:
            pool = json.loads(shell.run(f"kubectl get workerpool {POOL} -n {NAMESPACE} -o json"))
            phases = [line.split()[1] for line in shell.run(_QUESTIONS).splitlines()]
            done = phases.count("Succeeded") + phases.count("Failed")
            progress.update(answers, completed=done)
            row = _line(cells(pool["status"], f"{done}/{total}"))
            if row != printed:
                say(row)
                printed = row
            if created.done() and created.result() and done == total and phase(pool) == "Idle":
                return
            if time.monotonic() > deadline:
                raise WaitError(f"not seen within {_WITHIN:.0f} seconds: all answers, and a pool without workers")
            time.sleep(_POLL)


def cells(status: Json, done: str) -> tuple[str, ...]:
    """Give the cells under the header for the status of a pool."""
    queues = status.get("queues", [])
    oldest = [queue["oldestSeconds"] for queue in queues if "oldestSeconds" in queue]
    return (
        str(sum(queue.get("depth", 0) for queue in queues)),
        _figure(max(oldest, default=None), ".1f"),
        str(status.get("running", 0)),
        str(status.get("readyReplicas", 0)),
        str(status.get("desiredReplicas", 0)),
        _figure(status.get("arrivalsPerSecond"), ".1f"),
        _figure(status.get("secondsPerTask"), ".3f"),
        _figure(status.get("drainSeconds"), ".1f"),
        done,
    )


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _line(row: Sequence[str]) -> str:
    return "   ".join(f"{cell:>{max(7, len(title))}}" for cell, title in zip(row, _HEADER, strict=True))
