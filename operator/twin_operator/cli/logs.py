"""Log lines: JSON for collectors, text for people. What is about a run names its trace."""

import json
import logging
import sys

from twin_operator.services.runs.tracing import current_trace
from twin_operator.settings import LogFormat


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
    """Return the names of the span that is worked in, as OpenTelemetry has them in logs; none outside of one."""
    trace = current_trace()
    return {} if trace is None else {"trace_id": trace.trace_id, "span_id": trace.span_id}


def configure_logging(form: LogFormat) -> None:
    """Send the log to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    text = TextFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if form is LogFormat.JSON else text)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for noisy in ("kopf.objects", "kopf.activities", "aiohttp.access", "mlflow.store", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
