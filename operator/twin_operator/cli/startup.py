"""The start of every command: its settings are read and checked, and its log is set up.

Log lines are JSON for collectors or text for people; what is about a run names its trace.
"""

import json
import logging
import sys
from typing import Final

from opentelemetry.trace import format_span_id, format_trace_id
from pydantic import ValidationError
from pydantic_settings import SettingsError

from twin_operator.cli.output import fail
from twin_operator.services.runs.tracing import current_trace
from twin_operator.settings import LogFormat, Settings

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
    """One JSON object a line: time, level, logger, message; trace and traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        content = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **trace_fields(),
        }
        if record.exc_info:
            content["traceback"] = self.formatException(record.exc_info)
        return json.dumps(content, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """A line for people; at its end the trace, where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        fields = "".join(f" {name}={value}" for name, value in trace_fields().items())
        first, line, rest = super().format(record).partition("\n")
        return f"{first}{fields}{line}{rest}"


def trace_fields() -> dict[str, str]:
    """Return the identities of the current span, as OpenTelemetry has them in logs; none outside of one."""
    span = current_trace()
    return {} if span is None else {"trace_id": format_trace_id(span.trace_id), "span_id": format_span_id(span.span_id)}


def configure_logging(form: LogFormat) -> None:
    """Send the log to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    text = TextFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if form is LogFormat.JSON else text)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for noisy in ("kopf.objects", "kopf.activities", "aiohttp.access", "mlflow.store", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
