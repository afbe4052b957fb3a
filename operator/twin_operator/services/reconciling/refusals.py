"""A status that the API server refuses: the object gets a small one that says so, and is not stuck with an old one.

Nothing is retried here: the next reconciliation decides again, and writes only what differs.
"""

import logging
import re
from collections.abc import Iterable
from typing import Final, TypeVar

from twin_operator.api.v1alpha1.conditions import ConditionType, Reason
from twin_operator.api.v1alpha1.fields import cut
from twin_operator.api.v1alpha1.resource import Resource
from twin_operator.services.reconciling.ports import Refused, Resources
from twin_operator.services.reconciling.status import Fact, conditions_of, stalled
from twin_operator.services.runs.credentials import without_credentials

logger = logging.getLogger(__name__)
REFUSAL_LIMIT: Final = 1000  # characters of the API server's message: it names each field, and may quote values
NOT_ACCEPTED: Final = "The API server does not accept"
REPLACED: Final = frozenset({ConditionType.READY, ConditionType.RECONCILING, ConditionType.STALLED})
_FIELD = re.compile(r"\bstatus(\.[A-Za-z]+|\[[0-9]+\])+")

R = TypeVar("R", bound=Resource)


def refusal_message(refused: Refused) -> str:
    """Return which field was refused in our words, and the message of the API server."""
    found = _FIELD.search(str(refused))
    field = "a field of the status" if found is None else found.group()
    theirs = cut(without_credentials(str(refused)), REFUSAL_LIMIT)
    return (
        f"{NOT_ACCEPTED} {field}, so the rest of the status may be out of date; please report this as "
        f"an error of twin-operator. The API server says: {theirs}"
    )


def is_refused(resource: Resource) -> bool:
    """Whether an object has a status that `stalled_by` made: to decide again at once would be refused again."""
    found = resource.status.condition(ConditionType.STALLED)
    return found is not None and found.reason == Reason.INTERNAL_ERROR and found.message.startswith(NOT_ACCEPTED)


def stalled_by(seen: R, refused: Refused, now: float) -> R:
    """Return an object as it was seen, but for the conditions: Ready is False and Stalled True.

    Args:
        seen: the object with the status that it has.
        refused: why it does not get another one.
        now: seconds since the epoch.
    """
    kept = [
        Fact(ConditionType(each.type), each.status, Reason(each.reason), each.message)
        for each in seen.status.conditions
        if each.type in set(ConditionType) - REPLACED and each.reason in set(Reason)
    ]
    facts = [*stalled(Reason.INTERNAL_ERROR, refusal_message(refused)), *kept]
    status = seen.status.replace(
        observed_generation=seen.metadata.generation, conditions=conditions_of(seen, facts, now)
    )
    return seen.replace(status=status)


async def write_first_accepted(resources: Resources, seen: R, refused: Refused, statuses: Iterable[R]) -> R:
    """Write the first of these statuses that the API server accepts; return the object as it is then.

    An object of which it accepts none stays as it is; the log says why.

    Args:
        resources: the API server.
        seen: the object with the status that it has.
        refused: why it does not get the status that it should have.
        statuses: what to write instead.

    Raises:
        Gone: the object is not there any more.
        Changed: it was changed since it was seen.
    """
    for smaller in statuses:
        logger.error("The status of %s %s/%s was refused: %s", seen.kind, *seen.key, refused)
        try:
            return await resources.update_status(seen, smaller)
        except Refused as again:
            refused = again
    logger.error("No status of %s %s/%s is accepted: %s", seen.kind, *seen.key, refused)
    return seen
