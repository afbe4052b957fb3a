"""Builds what a worker process needs: its claims, the registry, the readers of data."""

from collections.abc import Callable

from twin_operator.adapters.bank_store import read_bank, write_bank
from twin_operator.adapters.data_source import AllowedPrefix, FileDataSource
from twin_operator.adapters.mlflow_registry import MlflowRegistry
from twin_operator.adapters.redis_queue.claims import Claims
from twin_operator.settings import Settings
from twin_operator.wiring.connections import IMPATIENT_SECONDS, SCRIPT_SECONDS, impatient_redis, worker_redis


def build_claims(settings: Settings) -> Claims:
    """Return the worker's side of runs."""
    redis = worker_redis(settings.redis_url)
    return Claims(redis, settings.identity, settings.lease_seconds, settings.run_ttl_seconds, SCRIPT_SECONDS)


def build_parent_claims(settings: Settings) -> Claims:
    """Return what the parent asks and gives back: it has an event loop, and little time at its end."""
    redis = impatient_redis(settings.redis_url)
    return Claims(redis, settings.identity, settings.lease_seconds, settings.run_ttl_seconds, IMPATIENT_SECONDS)


def build_registry(settings: Settings) -> MlflowRegistry:
    """Return the registry, with banks cached on the worker's disk."""
    return MlflowRegistry(settings.mlflow_tracking_uri, settings.bank_directory, write_bank, read_bank)


def build_data_sources(settings: Settings) -> Callable[[str], FileDataSource]:
    """Return what builds the reader of past experiments for a namespace."""
    allow = [
        AllowedPrefix(entry) if isinstance(entry, str) else AllowedPrefix(entry.prefix, entry.namespaces)
        for entry in settings.data_allow
    ]
    return lambda namespace: FileDataSource(allow, namespace)
