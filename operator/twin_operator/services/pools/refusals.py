"""Whether a WorkerPool is taken: its namespace, and the queues that older pools have."""

from collections.abc import Collection

from twin_operator.services.reconciling.status import Fact, stalled
from twin_operator.services.runs.run import JSON


def refusal(body: JSON, others: Collection[JSON], namespaces: Collection[str]) -> list[Fact] | None:
    """Return why the pool is not taken, or None.

    Args:
        body: the pool.
        others: every other pool.
        namespaces: where pools are taken.
    """
    spec, meta = body["spec"], body["metadata"]
    if meta["namespace"] not in namespaces:
        allowed = ", ".join(sorted(namespaces))
        return stalled(
            "NamespaceNotAllowed", f"Pools are taken in {allowed} only; add the namespace to workerPools.namespaces."
        )
    for other in others:
        shared = sorted(set(spec["queues"]) & set(other["spec"]["queues"]))
        if shared and other["metadata"]["namespace"] in namespaces and _older(other, body):
            name = f"{other['metadata']['namespace']}/{other['metadata']['name']}"
            return stalled("QueueTaken", f"Queue {shared[0]} belongs to WorkerPool {name}; a queue has one pool.")
    return None


def _older(one: JSON, other: JSON) -> bool:
    def age(body: JSON) -> tuple[str, str]:
        return body["metadata"].get("creationTimestamp", ""), body["metadata"]["uid"]

    return age(one) < age(other)
