"""The traceparent header, by the rules of W3C Trace Context, and the traces that runs have of their own."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import SpanContext

from twin_operator.services.runs.tracing import parse, run_trace, span_context, traceparent_of

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


CONTEXTS = st.builds(span_context, st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), sampled=st.booleans())


@given(CONTEXTS)
def test_what_was_written_is_read(context: SpanContext) -> None:
    assert parse(traceparent_of(context)) == context


@given(st.text(max_size=80))
def test_no_text_is_an_error(text: str) -> None:
    context = parse(text)
    assert context is None or parse(traceparent_of(context)) == context


@pytest.mark.parametrize(
    ("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("03", True), ("ff", True), ("fe", False)]
)
def test_only_the_lowest_flag_is_read(flags: str, *, sampled: bool) -> None:
    trace = run_trace("uid", "run", f"00-{TRACE}-{SPAN}-{flags}")
    assert trace.parent is not None
    assert trace.parent.trace_flags.sampled is sampled
    assert traceparent_of(trace.context).endswith("-01" if sampled else "-00")


@pytest.mark.parametrize(
    "header", [f"01-{TRACE}-{SPAN}-01", f"cc-{TRACE}-{SPAN}-01-what-is-to-come", f"fe-{TRACE}-{SPAN}-01-"]
)
def test_a_version_to_come_is_read_as_far_as_this_one_goes_and_written_as_this_one(header: str) -> None:
    context = parse(header)
    assert context is not None
    assert traceparent_of(context) == f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "00",
        TRACE,
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN.upper()}-01",
        f"00-{TRACE}-{SPAN}-0A",
        f"0X-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01-",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01.more",
        f"cc-{TRACE}-{SPAN}-01.more",
        f"cc-{TRACE}-{SPAN}-01more",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN[1:]}-01",
        f"00-{TRACE}0-{SPAN}-01",
        f"00_{TRACE}_{SPAN}_01",
        "00-" + "\u0660" * 32 + f"-{SPAN}-01",
        f"00-{'g' * 32}-{SPAN}-01",
    ],
)
def test_what_is_not_valid_is_ignored(header: str | None) -> None:
    assert parse(header) is None


def test_a_run_continues_the_trace_that_is_named() -> None:
    trace = run_trace("uid", "run", f"00-{TRACE}-{SPAN}-01")
    assert trace.parent == span_context(int(TRACE, 16), int(SPAN, 16), sampled=True)
    assert (trace.trace_id, trace.context.trace_flags.sampled) == (TRACE, True)
    assert trace.context.span_id != int(SPAN, 16)


def test_the_identities_of_a_run_are_the_same_in_every_version() -> None:
    own = run_trace("uid", "run", None)
    assert traceparent_of(own.context) == "00-17b788a70eeccbdc2fcb2d2d3db216c0-5d94800cda77585c-00"


def test_a_run_without_a_valid_traceparent_has_a_valid_trace_of_its_own_and_always_the_same() -> None:
    trace = run_trace("uid", "run", f"ff-{TRACE}-{SPAN}-01")
    assert trace.parent is None
    assert parse(traceparent_of(trace.context)) == trace.context
    assert run_trace("uid", "run", None) == trace


def test_runs_of_an_object_share_its_trace_and_have_spans_of_their_own() -> None:
    one, other = run_trace("uid", "uid-1", None).context, run_trace("uid", "uid-2", None).context
    assert one.trace_id == other.trace_id
    assert one.span_id != other.span_id


def test_a_sampler_by_ratio_sees_evenly_distributed_traces() -> None:
    low = [int(run_trace(str(uuid.UUID(int=n, version=4)), "run", None).trace_id[16:], 16) for n in range(4000)]
    share = sum(value < 2**64 // 10 for value in low) / len(low)
    assert share == pytest.approx(0.1, abs=0.02)
