"""Tau weights as they travel in the message of a Simulation's task."""

import numpy as np

from twin_operator.domain.twin.tau_mixture import TauWeights
from twin_operator.services.runs.run import JSON


def weights_json(weights: TauWeights) -> JSON:
    """Return tau weights as they travel in a message."""
    return {
        "tau": weights.tau.tolist(),
        "weight": weights.weight.tolist(),
        "experiments": weights.experiments,
        "outcomes": weights.outcomes,
    }


def weights_from_json(value: JSON) -> TauWeights:
    """Read what `weights_json` wrote."""
    return TauWeights(
        tau=np.asarray(value["tau"]),
        weight=np.asarray(value["weight"]),
        experiments=value["experiments"],
        outcomes=value["outcomes"],
    )
