"""Log lines name the span that they belong to."""

from __future__ import annotations

import json
import logging

from twin_operator.cli.startup import JsonFormatter, TextFormatter
from twin_operator.services.runs.tracing import span_context, within

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CONTEXT = span_context(int(TRACE, 16), int(SPAN, 16), sampled=False)


def record() -> logging.LogRecord:
    return logging.LogRecord("twin", logging.INFO, "", 0, "Run %s.\nMore.", ("u",), None)


def test_a_line_in_json_has_the_trace_in_fields() -> None:
    with within(CONTEXT):
        content = json.loads(JsonFormatter().format(record()))
    assert (content["trace_id"], content["span_id"]) == (TRACE, SPAN)


def test_a_line_for_people_has_the_trace_at_its_end() -> None:
    with within(CONTEXT):
        line, more = TextFormatter("%(message)s").format(record()).split("\n")
    assert line == f"Run u. trace_id={TRACE} span_id={SPAN}"
    assert more == "More."


def test_a_line_outside_of_a_span_has_no_trace() -> None:
    assert "trace_id" not in json.loads(JsonFormatter().format(record()))
    assert TextFormatter("%(message)s").format(record()) == "Run u.\nMore."
