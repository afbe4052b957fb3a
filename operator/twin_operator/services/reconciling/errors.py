"""Errors by what the caller can do; they become conditions at one point."""

from twin_operator.api.v1alpha1.conditions import Reason


class Wait(Exception):  # noqa: N818 - not an error of anybody: another object or a retry resolves it
    """Something else has to happen first.

    Args:
        reason: a stable reason of api.md.
        message: one sentence for the person who reads the condition.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class TryAgain(Exception):  # noqa: N818 - a wish, not a fault
    """An attempt of a task that another one may not fail: its message is the sentence that people see meanwhile."""


class Unsafe(Exception):  # noqa: N818 - a fact about a configuration
    """A process must not start like this: work could be lost or done twice, or strangers could give orders.

    Its message is one sentence that names the setting to change.
    """


class Stalled(Exception):  # noqa: N818 - the name of the condition that it becomes
    """Only a person's change can mend it.

    Args:
        reason: a stable reason of api.md.
        message: one sentence that a person can act on.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
