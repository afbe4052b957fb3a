"""All metrics of an operator."""

from dataclasses import dataclass
from typing import Self

from prometheus_client import CollectorRegistry

from twin_operator.adapters.metrics.models import ModelMetrics
from twin_operator.adapters.metrics.pools import PoolMetrics
from twin_operator.adapters.metrics.process import ProcessMetrics
from twin_operator.adapters.metrics.simulations import SimulationMetrics


@dataclass(frozen=True)
class OperatorMetrics:
    """The metrics of an operator, in one registry."""

    process: ProcessMetrics
    models: ModelMetrics
    simulations: SimulationMetrics
    pools: PoolMetrics

    @classmethod
    def of(cls, registry: CollectorRegistry, process: ProcessMetrics) -> Self:
        """Register them."""
        return cls(process, ModelMetrics(registry), SimulationMetrics(registry), PoolMetrics(registry))
