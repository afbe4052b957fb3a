"""Errors by what the caller can do; they become conditions at one point."""

from twin_operator.api.v1alpha1.conditions import Reason


class TryAgain(Exception):  # noqa: N818 - an outcome of an attempt, not a fault
    """An attempt of a task that another one may not fail: its message is what users read until then."""


class Unsafe(Exception):  # noqa: N818 - a fact about a configuration
    """A process must not start like this: work could be lost or done twice, or strangers could give orders.

    Its message is one sentence that names the setting to change.
    """


class Stalled(Exception):  # noqa: N818 - the name of the condition that it becomes
    """A user has to change something first.

    Args:
        reason: a stable reason of api.md.
        message: one sentence that a user can act on.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
