"""What the hot path keeps in memory of a Simulation until it has ended."""

from dataclasses import dataclass

from twin_operator.services.lifecycle import Simulation


@dataclass
class Tracked:
    """What the operator remembers of an unfinished Simulation."""

    simulation: Simulation
    seen: float
    published: float | None = None
    reason: str | None = None
    writing: bool = False
