"""Chooses where spans go, by the standard environment of OpenTelemetry; its SDK is imported only for an endpoint."""

from importlib.util import find_spec
from typing import Final

from twin_operator.services.runs.tracing import NoTracer, Tracer
from twin_operator.settings import Settings

PROTOCOL: Final = "http/protobuf"


class TracingRefused(Exception):  # noqa: N818 - a fact about the environment
    """Spans are asked for in a way that is not possible; the message says what to change."""


def check_tracing(settings: Settings) -> bool:
    """Return whether spans are to be sent.

    Raises:
        TracingRefused: an endpoint is set, and the exporter is not installed or does not speak its protocol.
    """
    if not settings.otlp_endpoint or settings.otel_sdk_disabled:
        return False
    if settings.otlp_protocol != PROTOCOL:
        raise TracingRefused(
            f"OTEL_EXPORTER_OTLP_PROTOCOL is {settings.otlp_protocol}, but spans are sent by {PROTOCOL} only: remove "
            "it, and give the collector's HTTP port (4318) in OTEL_EXPORTER_OTLP_ENDPOINT."
        )
    if find_spec("opentelemetry.exporter") is None or find_spec("opentelemetry.exporter.otlp") is None:
        raise TracingRefused(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but the exporter is not installed: install twin-operator[tracing], "
            "or unset it."
        )
    return True


def build_tracer(settings: Settings, service: str) -> Tracer:
    """Return what takes the spans of this process; make it after any fork.

    Raises:
        TracingRefused: as `check_tracing`.
    """
    if not check_tracing(settings):
        return NoTracer()
    from twin_operator.adapters.telemetry import OtlpTracer  # noqa: PLC0415 - nothing is paid without an endpoint

    return OtlpTracer(service, settings.identity)
