"""Every setting of the operator and of the workers, read from the environment.

The chart sets these; nothing else in the package reads the environment. Each field says its unit and
the reason for its default.
"""

import socket
from enum import StrEnum
from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SHORTEST_KEY = 32  # characters: a random key of that many has the strength of SHA-256


class LogFormat(StrEnum):
    """How log lines are written."""

    JSON = "json"
    TEXT = "text"


class Settings(BaseSettings):
    """Configuration by environment variables with the prefix `TWINOPS_`."""

    model_config = SettingsConfigDict(env_prefix="TWINOPS_", frozen=True)

    redis_url: str = Field("redis://127.0.0.1:6379/0", description="The queue and cache; never a record.")
    mlflow_tracking_uri: str = Field("http://127.0.0.1:5000", description="Tracking server and model registry.")
    namespace: str = Field("default", description="The release's namespace: Lease and default worker pools.")
    lease_name: str = Field("twin-operator", description="Name of the Lease that elects the leader.")
    pool_namespaces: list[str] = Field([], description="Further namespaces whose WorkerPools are taken.")
    watch_namespaces: list[str] = Field([], description="Namespaces that are watched; empty: the whole cluster.")
    data_allow: list[str] = Field(
        ["file:///data/", "s3://", "gs://", "abfs://"],
        description="Prefixes of addresses that training may read: a TwinModel must not read a cluster's insides.",
    )
    bank_directory: Path = Field(
        Path("/var/cache/twin-operator"), description="Where a worker keeps the banks that it downloaded."
    )
    worker_image: str = Field("twin-operator:latest", description="Image of the Pods of WorkerPools.")
    worker_image_pull_policy: str = Field("IfNotPresent", description="Pull policy of that image.")
    worker_service_account: str = Field("default", description="Service account of worker Pods.")
    worker_env: list[dict[str, object]] = Field([], description="EnvVar objects that are put into worker Pods.")
    archive_url: str = Field(
        "sqlite:////var/lib/twin-operator/archive.db",
        description="Where Simulations, outcomes and retrainings are kept: SQLite for one operator, or postgresql://.",
    )
    data_watch_seconds: float = Field(
        300.0, ge=1, description="Between two looks at a model's data; a file that did not change is not read."
    )
    bind_address: str = Field("127.0.0.1", description="Address that probes and metrics are served on.")
    metrics_port: int = Field(9090, ge=0, le=65535, description="Port of /metrics (and of a worker's /healthz).")
    health_port: int = Field(8080, ge=0, le=65535, description="Port of the operator's /healthz.")
    log_format: LogFormat = Field(LogFormat.JSON, description="JSON for collectors, text for people.")
    identity: str = Field(default_factory=socket.gethostname, description="Name in the Lease: the Pod's.")
    resync_seconds: float = Field(60, gt=0, description="Between two looks for runs that are nowhere.")
    second_write_seconds: float = Field(
        4, gt=0, description="After which a Simulation that is not done gets a second status write."
    )
    second_writes_per_second: float = Field(20, gt=0, description="Rate of those writes: they serve people's eyes.")
    lease_seconds: float = Field(
        10, gt=1, description="Life of a worker's claim without renewal; renewed at a third of it."
    )
    visibility_timeout_seconds: int = Field(
        15, ge=5, description="After which an unacknowledged message returns to its queue; leases renew it."
    )
    data_retry_seconds: float = Field(30, gt=0, description="First wait before data errors are tried again; doubles.")
    run_ttl_seconds: int = Field(86_400, ge=60, description="Life of a run's record in Redis: one day.")
    signing_key: SecretStr = Field(
        SecretStr(""),
        description="Signs the messages of tasks; 32 characters or more. Empty: neither signed nor checked.",
    )
    signing_key_previous: SecretStr = Field(
        SecretStr(""), description="The key before a change of it: still accepted, not used for signing."
    )
    celery_overrides: dict[str, object] = Field(
        {},
        description="JSON of Celery settings laid over ours, such as worker_max_tasks_per_child; what is unsafe is "
        "refused.",
    )

    @field_validator("signing_key", "signing_key_previous")
    @classmethod
    def _key_is_long_enough(cls, key: SecretStr) -> SecretStr:
        if 0 < len(key.get_secret_value()) < SHORTEST_KEY:
            raise ValueError(f"a key has {SHORTEST_KEY} characters or more; make one with: openssl rand -hex 32")
        return key
