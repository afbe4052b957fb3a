"""The table of results. Figures come in; what they mean stands in docs/autoscaling.md."""

import math
from collections.abc import Iterable

from rich.table import Table

from benchmarks.autoscaling.scenarios import Comparison, Measure

NEVER = "not in 2 h"  # play.PATIENCE_SECONDS


def table(comparisons: Iterable[Comparison]) -> Table:
    """Return one row a figure, the scenarios under each other."""
    drawn = Table(title="Scaling of one pool from 0 to 20 workers, in simulated time")
    for heading in ("scenario", "figure (less is better)"):
        drawn.add_column(heading)
    for heading in ("twin-operator", "KEDA's rule", "ratio"):
        drawn.add_column(heading, justify="right")
    for comparison in comparisons:
        for position, measure in enumerate(comparison.scenario.measures):
            drawn.add_row("" if position else comparison.scenario.name, *cells(comparison, measure))
        drawn.add_section()
    return drawn


def cells(comparison: Comparison, measure: Measure) -> tuple[str, str, str, str]:
    """Return a figure's name, both values and their ratio, as they are printed."""
    ours, keda = measure.read(comparison.ours), measure.read(comparison.keda)
    return measure.name, _figure(ours), _figure(keda), ratio(ours, keda)


def _figure(value: float) -> str:
    if math.isinf(value):
        return NEVER
    return f"{value:,.0f}" if value >= 100 or value.is_integer() else f"{value:.1f}"  # noqa: PLR2004 - three digits


def ratio(ours: float, keda: float) -> str:
    """Return KEDA's figure as a multiple of ours; a dash where there is none."""
    if ours == 0.0 or math.isinf(keda):
        return "-"
    return f"{keda / ours:.1f}"
