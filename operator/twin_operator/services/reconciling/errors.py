"""Errors by what the caller can do; they become conditions at one point."""

from enum import StrEnum
from http import HTTPStatus

from twin_operator.api.v1alpha1.conditions import Reason


class TryAgain(Exception):  # noqa: N818 - an outcome of an attempt, not a fault
    """An attempt of a task that another one may not fail: its message is what users read until then."""


class VersionGone(LookupError):  # noqa: N818 - a fact about a version
    """A version is not in the registry any more: another attempt does not find it either. The message names it."""


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


class OutcomesIncomplete(Exception):  # noqa: N818 - a fact about the archive
    """The archive lacks, or may lack, graded outcomes that the cluster has: what rests on outcomes waits for them.

    Args:
        reason: a stable reason of api.md.
        message: a sentence that says what is missing, and that no user has to do anything.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class RegistryFault(StrEnum):
    """Why MLflow refused a request: the end of a sentence. Texts of a library or a server are not shown."""

    UNREACHABLE = "no connection to it can be made"
    UNTRUSTED = "its TLS certificate is not trusted"
    TIMEOUT = "it did not answer in time"
    UNAUTHENTICATED = "it does not accept the credentials (HTTP 401)"
    FORBIDDEN = "the credentials do not have the permission (HTTP 403)"
    OVERLOADED = "it has too many requests (HTTP 429)"
    INVALID = "it does not accept the request (HTTP 400)"
    FAILED = "it reports an error of its own (HTTP 5xx)"
    NO_FILE = "the server does not have that file, or no access to the store that has it"
    UNEXPECTED = "what answers at the tracking URI is not the REST API of MLflow"

    @classmethod
    def of_status(cls, status: int) -> "RegistryFault":
        """Return the fault that an HTTP status stands for."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return cls.FAILED
        known = {400: cls.INVALID, 401: cls.UNAUTHENTICATED, 403: cls.FORBIDDEN, 429: cls.OVERLOADED}
        return known.get(status, cls.UNEXPECTED)

    def sentence(self, request: str) -> str:
        """Return what was requested and why it was not done, such as `read version 3 of NAME`."""
        return f"MLflow cannot {request}: {self}."
