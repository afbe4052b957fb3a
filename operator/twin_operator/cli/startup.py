"""The start of every command: its settings are read and checked, and its log is set up.

Log lines are JSON for collectors or text for users; what is about a run names its trace. None shows a secret of the
process or the credentials of an address, whichever library wrote it, and an uncaught error is a log line as well.
"""

import json
import logging
import sys
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Final, TextIO

from opentelemetry.trace import format_span_id, format_trace_id
from pydantic import ValidationError
from pydantic_settings import SettingsError

from twin_operator.api.v1alpha1.fields import visible
from twin_operator.cli.output import fail
from twin_operator.services.runs.credentials import hiding
from twin_operator.services.runs.tracing import current_trace
from twin_operator.settings import LogFormat, Settings

logger = logging.getLogger(__name__)
MISCONFIGURED: Final = 2  # exit code; 1 is a failure that another try may not meet


def read_settings() -> Settings:
    """Return the settings; end the command where they are wrong. Values are not repeated: some are secret."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = "_".join(str(part) for part in first["loc"][:1])
        fail(f"Correct {_variable(place)}: {_clause(first['msg'])}.", MISCONFIGURED)
    except SettingsError as error:  # a list or an object that is no JSON
        name = str(error).partition('"')[2].partition('"')[0]
        fail(f"Correct {_variable(name)}: its value is not JSON, such as [] or {{}}.", MISCONFIGURED)


def _variable(field: str) -> str:
    return f"{Settings.model_config['env_prefix']}{field}".upper()


def _clause(message: str) -> str:
    text = message.removeprefix("Value error, ").rstrip(".")
    return text[:1].lower() + text[1:]


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message; trace and traceback where there is one.

    Args:
        hide: returns a text without secrets.
    """

    def __init__(self, hide: Callable[[str], str]) -> None:
        super().__init__()
        self._hide = hide

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        content = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": visible(self._hide(record.getMessage()), keep="\n\t"),
            **trace_fields(),
        }
        if record.exc_info:
            content["traceback"] = visible(self._hide(self.formatException(record.exc_info)), keep="\n\t")
        return json.dumps(content, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """A line for users; at its end the trace, where there is one.

    Args:
        form: of the line, as `logging.Formatter` has it.
        hide: returns a text without secrets.
    """

    def __init__(self, form: str, hide: Callable[[str], str]) -> None:
        super().__init__(form)
        self._hide = hide

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        fields = "".join(f" {name}={value}" for name, value in trace_fields().items())
        text = visible(self._hide(super().format(record)), keep="\n\t")
        first, *rest = text.split("\n")
        return "\n".join([f"{first}{fields}", *(f"  {line}" for line in rest)])  # no message passes for another line


class LineHandler(logging.StreamHandler[TextIO]):
    """Writes lines; of one that cannot be written it names the place only, where Python would print its arguments."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name of `logging.Handler`
        """Say which call of the log failed, and how."""
        kind = type(sys.exception()).__name__
        sys.stderr.write(f"A log line could not be written: {kind} at {record.pathname}:{record.lineno}.\n")


def trace_fields() -> dict[str, str]:
    """Return the identities of the current span, as OpenTelemetry has them in logs; none outside of one."""
    span = current_trace()
    return {} if span is None else {"trace_id": format_trace_id(span.trace_id), "span_id": format_span_id(span.span_id)}


def configure_logging(form: LogFormat, secrets: Iterable[str]) -> None:
    """Send the log to standard error, without `secrets`; also what would end the process or a thread."""
    hide = hiding(secrets)
    handler = LineHandler(sys.stderr)
    text = TextFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", hide)
    handler.setFormatter(JsonFormatter(hide) if form is LogFormat.JSON else text)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    sys.excepthook = log_uncaught
    threading.excepthook = log_uncaught_in_thread


def log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Log the error that ends the process: Python would print it with the addresses in its text."""
    if not issubclass(kind, KeyboardInterrupt):
        logger.critical("The process ends by an error.", exc_info=(kind, error, trace))


def log_uncaught_in_thread(uncaught: threading.ExceptHookArgs) -> None:
    """Log the error that ends a thread, likewise."""
    name = uncaught.thread.name if uncaught.thread else "without a name"
    error = uncaught.exc_value or uncaught.exc_type()
    logger.critical("The thread %s ends by an error.", name, exc_info=(type(error), error, uncaught.exc_traceback))
