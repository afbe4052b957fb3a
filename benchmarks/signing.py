"""What signing costs a message: with a key against without one, in the same run.

    python -m benchmarks.signing

Two tables of medians: writing a message (the operator's side), and judging it as it comes off its list (the worker's).
The message is a Simulation's, with the tau weights of 200 values that such a message carries.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Final

from twin_operator.adapters.redis_queue.delivery import Check
from twin_operator.adapters.redis_queue.message import Messages, Signing
from twin_operator.services.runs.run import Target, Task, TaskKind

ROUNDS: Final = 15  # each a median's value; with and without take turns, so that a busy machine slows both
MESSAGES: Final = 400  # a round
WEIGHTS: Final = 200  # values of tau in a mixture
DAY: Final = 86_400.0  # seconds, the life of a run's record
QUEUE: Final = "simulations"


def message_task() -> Task:
    """Return a task of the usual size."""
    tau = [0.001 * (index + 0.123456789) for index in range(WEIGHTS)]
    weights = {"tau": tau, "weight": [1 / WEIGHTS] * WEIGHTS, "experiments": 5, "outcomes": 4}
    spec = {"modelRef": {"name": "hillstrom"}, "intervention": {"arm": "Mens E-Mail", "against": "No E-Mail"}}
    target = Target("Simulation", "default", "mens-email", "0b5a")
    return Task("0b5a", TaskKind.SIMULATE, QUEUE, target, 4, {"spec": spec, "version": "3", "weights": weights})


def microseconds(work: Callable[[], object]) -> float:
    """Return the processor time of one call, over a round: others on the machine do not count."""
    start = time.process_time()
    for _ in range(MESSAGES):
        work()
    return (time.process_time() - start) / MESSAGES * 1e6


def compare(name: str, without: Callable[[], object], with_key: Callable[[], object]) -> str:
    """Return a line of the table."""
    pairs = [(microseconds(without), microseconds(with_key)) for _ in range(ROUNDS)]
    plain, signed = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(one / other for other, one in pairs)
    return f"{name:<22}{plain:>12.1f}{signed:>12.1f}{signed - plain:>12.1f}{ratio:>9.2f}"


def main() -> None:
    """Print the table."""
    signing = Signing(b"a key of thirty-two characters!!")
    plain, signed, task = Messages(), Messages(signing), message_task()
    message = signed.write(task)[1]
    loose, strict = Check(None, DAY), Check(signing, DAY)
    now = time.time()
    if strict.refusal(message, QUEUE, now) is not None:
        raise SystemExit("The message of the benchmark is not sound.")
    print(f"a message of {len(message):,} bytes; microseconds a message, medians of {ROUNDS} rounds of {MESSAGES}\n")
    print(f"{'':<22}{'without':>12}{'with key':>12}{'difference':>12}{'ratio':>9}")
    print(compare("write (operator)", lambda: plain.write(task), lambda: signed.write(task)))
    judge = [lambda check=check: check.refusal(message, QUEUE, now) for check in (loose, strict)]
    print(compare("judge (worker)", *judge))


if __name__ == "__main__":
    main()
