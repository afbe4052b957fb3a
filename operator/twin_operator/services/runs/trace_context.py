"""W3C Trace Context, level 1 (https://www.w3.org/TR/trace-context-1/): what names a span of a trace between processes.

The format and the identities that belong to a run. Random identities are given by the caller; where spans go is not
said here.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

VERSION: Final = "00"
SAMPLED: Final = 0x01
"""The only flag of level 1; the others are to be 0."""
_FIELDS: Final = re.compile("([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_FORBIDDEN_VERSION: Final = "ff"


@dataclass(frozen=True)
class TraceContext:
    """One span of one trace.

    Attributes:
        trace_id: 32 lower-case hexadecimal digits, not all zero.
        span_id: 16 of them, not all zero; the specification calls it parent-id.
        sampled: whether the caller may have recorded the trace.
    """

    trace_id: str
    span_id: str
    sampled: bool = False

    @property
    def traceparent(self) -> str:
        """The header's value."""
        return f"{VERSION}-{self.trace_id}-{self.span_id}-{SAMPLED if self.sampled else 0:02x}"

    def child(self, span_id: str) -> "TraceContext":
        """Return another span of the trace."""
        return TraceContext(self.trace_id, span_id, self.sampled)


def parse(traceparent: str | None) -> TraceContext | None:
    """Read a header's value; None where the specification has it ignored.

    A version that is not known yet is read as far as this one goes (section 4.3).
    """
    found = _FIELDS.fullmatch(traceparent or "")
    if found is None:
        return None
    version, trace_id, span_id, flags, rest = found.groups()
    too_long = version == VERSION and rest is not None
    if version == _FORBIDDEN_VERSION or too_long or not int(trace_id, 16) or not int(span_id, 16):
        return None
    return TraceContext(trace_id, span_id, bool(int(flags, 16) & SAMPLED))


@dataclass(frozen=True)
class RunTrace:
    """The place of a run in its trace.

    Attributes:
        context: the run's own span, from when it was asked for to when its answer stands.
        parent: the span that asked for it, where it was named.
    """

    context: TraceContext
    parent: TraceContext | None = None


def run_trace(uid: str, run: str, traceparent: str | None) -> RunTrace:
    """Return the trace of a run: the one that is named, or one that belongs to the object with this uid.

    Both identities are digests of what they stand for, so that a restart of the operator and a loss of the queue keep
    them. Not the uid itself: the upper two of the 64 bits that samplers by ratio look at are the same in all of them.
    """
    span_id = hashlib.sha256(run.encode()).hexdigest()[32:48]
    parent = parse(traceparent)
    if parent is None:
        return RunTrace(TraceContext(hashlib.sha256(uid.encode()).hexdigest()[:32], span_id))
    return RunTrace(parent.child(span_id), parent)
