"""The optimistic write of a status: where the object was changed meanwhile it is read and decided on again."""

from collections.abc import Callable
from typing import Final, TypeVar

from twin_operator.api.v1alpha1.resource import Resource
from twin_operator.services.reconciling.ports import Changed, Gone, Resources

R = TypeVar("R", bound=Resource)
WRITE_ATTEMPTS: Final = 5  # of a status that others change at the same time


async def write_status(resources: Resources, seen: R, decide: Callable[[R], R | None]) -> R | None:
    """Write the status of `decide(seen)`; return the object as it is then, None where there is nothing to write.

    Args:
        resources: the API server.
        seen: the object as it was seen.
        decide: returns the object with the status that it is to have; None where it needs none any more.

    Raises:
        Gone: the object is not there any more, or another one has its name.
        Changed: it was changed during each of the attempts.
        Refused: the schema does not take the status.
    """
    for attempt in range(1, WRITE_ATTEMPTS + 1):
        changed = decide(seen)
        if changed is None:
            return None
        try:
            return await resources.update_status(seen, changed)
        except Changed:
            if attempt == WRITE_ATTEMPTS:
                raise
            seen = await read_again(resources, seen)
    raise AssertionError("the last attempt returns or raises")


async def read_again(resources: Resources, seen: R) -> R:
    """Return an object as it is now; raise `Gone` where it is not there any more, or another one has its name."""
    now = await resources.read(type(seen), seen.namespace, seen.name)
    if now.uid != seen.uid:
        raise Gone(f"{seen.namespace}/{seen.name} is another object now")
    return now
