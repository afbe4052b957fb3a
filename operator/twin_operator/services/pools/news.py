"""Whether a status is worth a write now: facts at once, counts within seconds, smoothed figures when they moved."""

from typing import Any, Final

from twin_operator.services.runs.run import JSON

COUNTS_SECONDS: Final = 4.5  # between writes of depths and running tasks: five seconds to the eye, with a look every 2
SMOOTHED_SECONDS: Final = 15.0  # between writes of rates alone
MATERIAL: Final = 0.1  # share by which a smoothed figure moved
SMOOTHED: Final = ("arrivalsPerSecond", "secondsPerTask", "drainSeconds")
FIGURES: Final = frozenset({*SMOOTHED, "queues", "running"})


def worth_writing(before: JSON, new: JSON, since: float) -> bool:
    """Return whether to write `new` over `before`, of which `since` seconds ago something was written."""
    if any(before.get(key) != value for key, value in new.items() if key not in FIGURES):
        return True
    if since >= COUNTS_SECONDS and _counts(before, new) != _counts(new, new):
        return True
    return since >= SMOOTHED_SECONDS and any(_moved(*pair) for pair in _pairs(before, new))


def _counts(status: JSON, like: JSON) -> list[Any]:
    depths = [(queue["name"], queue.get("depth")) for queue in status.get("queues") or ()]
    return [depths if "queues" in like else None, status.get("running") if "running" in like else None]


def _pairs(before: JSON, new: JSON) -> list[tuple[float | None, float | None]]:
    waits = {queue["name"]: queue.get("oldestSeconds") for queue in before.get("queues") or ()}
    oldest = [(waits.get(queue["name"]), queue.get("oldestSeconds")) for queue in new.get("queues") or ()]
    return [*((before.get(key), new[key]) for key in SMOOTHED if key in new), *oldest]


def _moved(before: float | None, new: float | None) -> bool:
    if before is None or new is None:
        return before is not new
    return abs(new - before) > MATERIAL * max(abs(before), abs(new))
