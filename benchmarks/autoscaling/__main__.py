"""`make bench`: play every scenario and print the table."""

from rich.console import Console

from benchmarks.autoscaling.scenarios import SCENARIOS, compare
from benchmarks.autoscaling.table import table

WIDTH = 140  # characters: no line of the table is broken, also where output is not a terminal


def main() -> None:
    """Print the table."""
    console = Console(width=WIDTH)
    console.print(table(compare(scenario) for scenario in SCENARIOS))
    console.print("ratio: KEDA's figure as a multiple of ours. The model and its assumptions: benchmarks/README.md")


if __name__ == "__main__":
    main()
