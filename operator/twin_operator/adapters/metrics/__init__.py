"""What the operator shows to Prometheus, one module a subject: models and retraining, Simulations, the process itself.

Labels are bounded: namespaces, names of TwinModels, and words of the API's own vocabulary. No Simulation and no
RetrainingJob has a series of its own. `docs/metrics.md` names every metric, and a test holds it to the code.
"""

from twin_operator.adapters.metrics.models import ModelMetrics
from twin_operator.adapters.metrics.process import ProcessMetrics
from twin_operator.adapters.metrics.simulations import SimulationMetrics

__all__ = ["ModelMetrics", "ProcessMetrics", "SimulationMetrics"]
