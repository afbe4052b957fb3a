"""A development cluster in processes: a real control plane, and a node agent that runs Pods without containers.

What belongs here is all that a developer or a test needs to try the operator on a real API server on
one Linux machine.  Nothing in here knows what the operator does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from devcluster.cluster import Cluster, ClusterError

__all__ = ["Cluster", "ClusterError"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module attribute has whatever type it has
    """Import the public names when they are asked for: a sandbox starts with the standard library alone."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from devcluster import cluster  # noqa: PLC0415 - see above

    return getattr(cluster, name)
