"""`python -m benchmarks.first_worker`: measure and print the table."""

import asyncio
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.autoscaling.scenarios import FROM_ZERO, compare
from benchmarks.first_worker.live import Seconds, measure

TRIALS = 50
CLAIM_SECONDS = 2.0  # at the 95th percentile


def main() -> None:
    """Print the table; fail where the claim does not hold."""
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(Path(folder), TRIALS))
    keda = FROM_ZERO.measures[0].read(compare(FROM_ZERO).keda)
    Console(width=120).print(_table(found, keda))
    late = [name for name, seconds in found.items() if _percentile(seconds, 95) > CLAIM_SECONDS]
    if late:
        raise SystemExit(f"Later than {CLAIM_SECONDS:g} s at the 95th percentile: {', '.join(late)}.")


def _table(found: dict[str, Seconds], keda: float) -> Table:
    drawn = Table(title=f"Seconds from the first message to the first worker wanted, {TRIALS} times from zero")
    drawn.add_column("who publishes")
    for heading in ("p50", "p95", "longest", "KEDA's rule, p95 (simulated)", "ratio"):
        drawn.add_column(heading, justify="right")
    for name, seconds in found.items():
        p50, p95 = _percentile(seconds, 50), _percentile(seconds, 95)
        drawn.add_row(name, f"{p50:.2f}", f"{p95:.2f}", f"{max(seconds):.2f}", f"{keda:.1f}", f"{keda / p95:,.0f}")
    return drawn


def _percentile(seconds: Seconds, percent: float) -> float:
    return float(np.percentile(seconds, percent, method="higher"))


if __name__ == "__main__":
    main()
