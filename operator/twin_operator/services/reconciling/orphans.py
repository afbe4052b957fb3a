"""Stops runs whose object is gone or has ended, and removes the messages of stopped runs.

An object may have been deleted while no operator watched. Its run is found by the message, which names the object. An
object that is followed is not read.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping
from typing import Final

from twin_operator.api.v1alpha1 import RetrainingJob, Simulation, TwinModel
from twin_operator.services.reconciling.ports import Gone, Resources, RunQueue, Unreadable
from twin_operator.services.runs.run import Stop, Target

logger = logging.getLogger(__name__)
RETRY_SECONDS: Final = 1.0  # after Redis did not answer
READS: Final = 16  # at a time: thousands of Simulations may have been deleted while no operator ran
KINDS: Final[Mapping[str, type[Simulation | RetrainingJob | TwinModel]]] = {
    kind.definition.kind: kind for kind in (Simulation, RetrainingJob, TwinModel)
}


async def stop_orphans(queue: RunQueue, resources: Resources, followed: Collection[str]) -> None:
    """Stop every run with a message whose object does not exist any more or has ended.

    Args:
        queue: queues and runs.
        resources: the API server.
        followed: uids of objects that exist and have not ended.
    """
    targets, turns = await queue.targets(followed), asyncio.Semaphore(READS)

    async def has_ended(target: Target) -> bool:
        async with turns:
            return await _has_ended(resources, target)

    ended = await asyncio.gather(*map(has_ended, targets.values()))
    gone = [run for run, over in zip(targets, ended, strict=True) if over]
    for run, record in (await queue.runs(gone)).items():
        if record.outcome is None and record.stop in {None, Stop.SUSPENDED}:
            await queue.stop(run, Stop.DELETED)


async def withdraw_forever(queue: RunQueue) -> None:
    """Remove the messages of runs soon after they are stopped: no worker may come that refuses them."""
    while True:
        try:
            await queue.withdraw()
        except Exception:
            logger.exception("Messages of stopped runs could not be removed; retrying in %.0f s.", RETRY_SECONDS)
            await asyncio.sleep(RETRY_SECONDS)


async def _has_ended(resources: Resources, target: Target) -> bool:
    kind = KINDS.get(target.kind)
    if kind is None:
        return False
    try:
        found = await resources.read(kind, target.namespace, target.name)
    except Gone:
        return True
    except Unreadable:
        return False
    except Exception:
        # Of another installation, or forged: what one message names must not keep the others from being resynced.
        logger.exception("The object of a message could not be read: %s.", target)
        return False
    return found.uid != target.uid or (not isinstance(found, TwinModel) and found.status.phase.finished)
