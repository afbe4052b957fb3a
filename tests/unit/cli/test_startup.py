"""Log lines name the span that they belong to, and show no secret, whoever wrote them."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

import pytest

from twin_operator.cli.startup import JsonFormatter, TextFormatter, configure_logging
from twin_operator.services.runs.credentials import without_credentials
from twin_operator.services.runs.tracing import span_context, within
from twin_operator.settings import LogFormat

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CONTEXT = span_context(int(TRACE, 16), int(SPAN, 16), sampled=False)


def record() -> logging.LogRecord:
    return logging.LogRecord("twin", logging.INFO, "", 0, "Run %s.\nMore.", ("u",), None)


def test_a_line_in_json_has_the_trace_in_fields() -> None:
    with within(CONTEXT):
        content = json.loads(JsonFormatter(without_credentials).format(record()))
    assert (content["trace_id"], content["span_id"]) == (TRACE, SPAN)


def test_a_line_for_people_has_the_trace_at_its_end() -> None:
    with within(CONTEXT):
        line, more = TextFormatter("%(message)s", without_credentials).format(record()).split("\n")
    assert line == f"Run u. trace_id={TRACE} span_id={SPAN}"
    assert more == "  More."


def test_a_line_outside_of_a_span_has_no_trace() -> None:
    assert "trace_id" not in json.loads(JsonFormatter(without_credentials).format(record()))
    assert TextFormatter("%(message)s", without_credentials).format(record()) == "Run u.\n  More."


@pytest.mark.parametrize("formatter", [JsonFormatter(str), TextFormatter("%(levelname)s %(message)s", str)])
def test_what_data_names_can_neither_pass_for_a_line_nor_change_a_terminal(formatter: logging.Formatter) -> None:
    forged = "north\nERROR Forged.\x1b[2J\x9b31m\u202e"
    lines = formatter.format(logging.LogRecord("twin", logging.INFO, "", 0, "Arm %s.", (forged,), None)).split("\n")
    assert not any(line.startswith("ERROR") for line in lines)
    assert all(line.isprintable() for line in lines)
    assert "x1b" in lines[-1]


def fail_with(text: str) -> None:
    raise ValueError(text)


@pytest.mark.parametrize("formatter", [JsonFormatter(str), TextFormatter("%(message)s", str)])
def test_a_traceback_has_no_control_characters_either(formatter: logging.Formatter) -> None:
    try:
        fail_with("\x9b2J")
    except ValueError:
        text = formatter.format(logging.LogRecord("twin", logging.ERROR, "", 0, "Failed.", (), sys.exc_info()))
    assert "Traceback" in text
    assert "\x9b" not in text


SECRET = "open-sesame"  # noqa: S105 - what no line may show
ADDRESS = f"redis://worker:{SECRET}@redis"


@contextmanager
def log(form: LogFormat) -> Iterator[io.StringIO]:
    """Give the log of a process with a secret; afterwards all is as it was."""
    before = logging.root.handlers[:], logging.root.level, sys.excepthook, threading.excepthook
    logging.root.handlers = []  # those of pytest would be closed
    with redirect_stderr(io.StringIO()) as lines:
        configure_logging(form, [SECRET])
        yield lines
    logging.root.handlers[:], level, sys.excepthook, threading.excepthook = before
    logging.root.setLevel(level)


def failed() -> BaseException:
    """Return an error of a library, with its cause and its traceback."""
    with pytest.raises(ConnectionError) as raised:
        raise ConnectionError(f"cannot reach {ADDRESS}") from ValueError(f"the password {SECRET} is wrong")
    return raised.value


def hidden(line: str) -> bool:
    """Whether a log shows the failure of `failed` and no secret."""
    return "redis://**@redis" in line and "password ** is wrong" in line and SECRET not in line


@pytest.mark.parametrize("form", LogFormat)
def test_a_line_and_its_traceback_show_no_secret(form: LogFormat) -> None:
    with log(form) as lines:
        logging.getLogger("redis").error("At %s: %s", ADDRESS, {"key": SECRET}, exc_info=failed())
    assert hidden(lines.getvalue())
    assert "{'key': '**'}" in lines.getvalue()


@pytest.mark.parametrize("form", LogFormat)
def test_an_error_that_ends_the_process_is_a_line_without_a_secret(form: LogFormat) -> None:
    error = failed()
    with log(form) as lines:
        sys.excepthook(type(error), error, error.__traceback__)
    assert hidden(lines.getvalue())


@pytest.mark.parametrize("form", LogFormat)
def test_an_error_that_ends_a_thread_is_a_line_without_a_secret(form: LogFormat) -> None:
    def fail() -> None:
        raise failed()

    with log(form) as lines:
        thread = threading.Thread(target=fail, name="a-loop")
        thread.start()
        thread.join()
    assert hidden(lines.getvalue())
    assert "The thread a-loop ends by an error." in lines.getvalue()


def test_an_interrupt_is_no_line() -> None:
    with log(LogFormat.TEXT) as lines:
        sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert lines.getvalue() == ""


def test_a_line_that_cannot_be_written_shows_no_secret() -> None:
    with log(LogFormat.TEXT) as lines:
        logging.getLogger("redis").error("%d runs", SECRET)
    assert "A log line could not be written: TypeError at " in lines.getvalue()
    assert SECRET not in lines.getvalue()
