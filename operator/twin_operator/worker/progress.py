"""Progress of long tasks: in the log, and in the span of the attempt."""

import logging
from collections.abc import Callable

logger = logging.getLogger(__name__)


def log_progress(run: str, note: Callable[[str, float], None]) -> Callable[[float, str], None]:
    """Return a function that logs, and notes, the share done (0 to 1) and a phrase."""

    def report(share: float, phrase: str) -> None:
        logger.info("Run %s: %3.0f %%, %s.", run, 100 * share, phrase)
        note(phrase, share)

    return report
