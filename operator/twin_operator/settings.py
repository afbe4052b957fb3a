"""Every setting of the operator and of the workers, read from the environment.

The chart sets these; those that it does not set are in docs/settings.md. Nothing else in the package reads the
environment. Each field says its unit and the reason for its default.
"""

import os
import socket
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pydantic import AliasChoices, BaseModel, ByteSize, ConfigDict, Field, SecretStr, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel
from pydantic_settings import BaseSettings, SettingsConfigDict

from twin_operator.services.runs.credentials import secrets_in

SHORTEST_KEY: Final = 32  # characters: a random key of that many has the strength of SHA-256
VERIFIED: Final = {"ssl_cert_reqs": "required", "ssl_check_hostname": "true"}
"""What an address with TLS says of certificates, as redis-py and kombu read it."""


class LogFormat(StrEnum):
    """How log lines are written."""

    JSON = "json"
    TEXT = "text"


class LimitedPrefix(BaseModel):
    """A prefix of addresses that may be read for the TwinModels of some namespaces."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prefix: str = Field(min_length=1)
    namespaces: frozenset[str] = Field(min_length=1)


class AllowedInTemplates(BaseModel):
    """What the templates of WorkerPools may name; in JSON as the chart's `workerPools.allowed` has it."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    service_accounts: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()
    config_maps: frozenset[str] = frozenset()
    persistent_volume_claims: frozenset[str] = frozenset()
    images: frozenset[str] = frozenset()
    data_volume: dict[str, object] = {}
    data_read_only: bool = True


class Settings(BaseSettings):
    """Configuration by environment variables with the prefix `TWINOPS_`."""

    # Addresses hold passwords: neither an error nor a printed setting may show them.
    model_config = SettingsConfigDict(env_prefix="TWINOPS_", frozen=True, hide_input_in_errors=True)

    redis_ca_file: Path | None = Field(
        None, description="Authority that signs Redis' certificate; with rediss:// only, else the system's are known."
    )
    # After redis_ca_file, which is made part of it.
    redis_url: str = Field("redis://127.0.0.1:6379/0", repr=False, description="The queue and cache; never a record.")
    mlflow_tracking_uri: str = Field(
        "http://127.0.0.1:5000",
        repr=False,
        description="Tracking server and model registry; without a user and a password.",
    )
    # MLflow's own variables: workers give them to the mlflow package, the operator reads them here.
    mlflow_tracking_username: str = Field(
        "", validation_alias="MLFLOW_TRACKING_USERNAME", description="User for HTTP basic authentication at MLflow."
    )
    mlflow_tracking_password: SecretStr = Field(
        SecretStr(""), validation_alias="MLFLOW_TRACKING_PASSWORD", description="That user's password."
    )
    mlflow_tracking_token: SecretStr = Field(
        SecretStr(""), validation_alias="MLFLOW_TRACKING_TOKEN", description="Bearer token; used without a user."
    )
    mlflow_workspace: str = Field(
        "", validation_alias="MLFLOW_WORKSPACE", description="Workspace of MLflow; empty: the server's default."
    )
    mlflow_server_cert_path: str = Field(
        "",
        validation_alias=AliasChoices("MLFLOW_TRACKING_SERVER_CERT_PATH", "REQUESTS_CA_BUNDLE"),
        description="File with the authorities that sign MLflow's certificate; empty: the system's.",
    )
    mlflow_client_cert_path: str = Field(
        "",
        validation_alias="MLFLOW_TRACKING_CLIENT_CERT_PATH",
        description="File with the certificate and key that are shown to MLflow; empty: none.",
    )
    mlflow_insecure_tls: bool = Field(
        default=False, validation_alias="MLFLOW_TRACKING_INSECURE_TLS", description="True accepts any certificate."
    )
    mlflow_aws_sigv4: bool = Field(
        default=False,
        validation_alias="MLFLOW_TRACKING_AWS_SIGV4",
        description="Not supported: the operator does not start with it.",
    )
    mlflow_auth: str = Field(
        "", validation_alias="MLFLOW_TRACKING_AUTH", description="Not supported: the operator does not start with it."
    )
    mlflow_request_seconds: float = Field(
        10,
        gt=0,
        validation_alias="MLFLOW_HTTP_REQUEST_TIMEOUT",
        description="Time limit of one request of the operator to MLflow: it answers in milliseconds, and what waits "
        "for it is tried again.",
    )
    namespace: str = Field("default", description="The release's namespace: Lease and default worker pools.")
    lease_name: str = Field("twin-operator", description="Name of the Lease that elects the leader.")
    pool_namespaces: list[str] = Field([], description="Further namespaces whose WorkerPools are taken.")
    watch_namespaces: list[str] = Field([], description="Namespaces that are watched; empty: the whole cluster.")
    data_allow: list[str | LimitedPrefix] = Field(
        ["file:///data/", "s3://", "gs://", "abfs://"],
        description="Prefixes of addresses that training may read: a TwinModel must not read a cluster's insides. An "
        'entry {"prefix": .., "namespaces": [..]} is for these namespaces only. The longest prefix that fits decides. '
        "Hosts on loopback, link-local and private networks are read only where an entry names the host.",
    )
    bank_directory: Path = Field(
        Path("/var/cache/twin-operator"), description="Where a worker keeps the banks that it downloaded."
    )
    worker_image: str = Field("twin-operator:latest", description="Image of the Pods of WorkerPools.")
    worker_image_pull_policy: str = Field("IfNotPresent", description="Pull policy of that image.")
    worker_service_account: str = Field("default", description="Service account of worker Pods.")
    worker_env: list[dict[str, object]] = Field(
        [], repr=False, description="EnvVar objects that are put into worker Pods."
    )
    worker_template: dict[str, object] = Field(
        {}, description="A partial PodTemplateSpec of every worker Pod, under the template of its pool."
    )
    templates_allowed: AllowedInTemplates = Field(
        AllowedInTemplates(),
        description="What templates of WorkerPools may name besides the workers' account and image; dataVolume is a "
        "volume source that they may have whatever its type.",
    )
    archive_url: str = Field(
        "sqlite:////var/lib/twin-operator/archive.db",
        repr=False,
        description="Where Simulations, outcomes and retrainings are kept: SQLite for one operator, or postgresql://.",
    )
    data_watch_seconds: float = Field(
        3600.0, ge=1, description="Between two checks of a model's data; a file that did not change is not read."
    )
    bind_address: str = Field("127.0.0.1", description="Address that probes and metrics are served on.")
    metrics_port: int = Field(9090, ge=0, le=65535, description="Port of /metrics (and of a worker's /healthz).")
    health_port: int = Field(8080, ge=0, le=65535, description="Port of the operator's /healthz.")
    log_format: LogFormat = Field(LogFormat.JSON, description="JSON for log collectors, text for users.")
    identity: str = Field(default_factory=socket.gethostname, description="Name in the Lease: the Pod's.")
    resync_seconds: float = Field(60, gt=0, description="Between two resyncs, which publish lost tasks again.")
    second_write_seconds: float = Field(
        4, gt=0, description="After which a Simulation that is not done gets a second status write."
    )
    second_writes_per_second: float = Field(20, gt=0, description="Rate of those writes, which only users read.")
    published_runs_per_queue: int = Field(
        2000,
        ge=1,
        description="Most Simulations of a queue in Redis at a time; the others wait in the operator.",
    )
    published_bytes_per_queue: ByteSize = Field(
        ByteSize(32 << 20),
        gt=0,
        description="Most bytes of their messages, about: large Simulations must not fill Redis.",
    )
    published_trainings_per_queue: int = Field(
        200,
        ge=1,
        description="Most trainings, comparisons and data checks of a queue in Redis at a time, waiting or running.",
    )
    published_trainings_per_namespace: int = Field(
        20,
        ge=1,
        description="Most of these of one namespace, which has the same share of their bytes; the others wait.",
    )
    waiting_runs_per_namespace: int = Field(
        20_000, ge=1, description="Most unfinished Simulations of a namespace that the operator keeps in memory."
    )
    waiting_bytes_per_namespace: ByteSize = Field(
        ByteSize(64 << 20), gt=0, description="Most bytes of these, about; the others wait in the API server."
    )
    waiting_bytes: ByteSize = Field(
        ByteSize(96 << 20), gt=0, description="Most bytes of the unfinished Simulations of all namespaces, about."
    )
    batch_bytes: ByteSize = Field(
        ByteSize(1 << 20), gt=0, description="Most bytes of messages in one request to Redis, about."
    )
    lease_seconds: float = Field(
        10,
        gt=1,
        description="Life of a worker's claim without renewal; renewed at a third of it. A message that is not "
        "acknowledged returns to its queue after one and a half of it (the visibility timeout).",
    )
    grace_seconds: float = Field(
        120, gt=0, description="From SIGTERM to SIGKILL: a worker gives back what it cannot finish in this time."
    )
    data_retry_seconds: float = Field(30, gt=0, description="First wait before data errors are tried again; doubles.")
    task_events: bool = Field(
        False, description="Send Celery's events, for `twin-operator events`: some five small messages a task."
    )
    events_silent_seconds: float = Field(
        30, gt=0, description="Without a heartbeat for so long a worker counts as down; it sends one every 5 seconds."
    )
    events_forget_seconds: float = Field(
        600, gt=0, description="After which the figures of a worker that is gone are dropped: a few scrapes more."
    )
    otlp_endpoint: str = Field(
        "",
        validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        description="Where spans are sent to, in OpenTelemetry's own variable; empty: nowhere.",
    )
    otlp_protocol: str = Field(
        "http/protobuf",
        validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"),
        description="How they are sent; there is one way.",
    )
    otel_sdk_disabled: bool = Field(
        default=False, validation_alias="OTEL_SDK_DISABLED", description="True sends no spans after all."
    )
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

    @field_validator("mlflow_tracking_uri")
    @classmethod
    def _holds_no_credentials(cls, uri: str) -> str:
        """Refuse a user in the address: the mlflow package repeats the address in its errors and its output."""
        if "@" in uri:
            raise ValueError(
                "the address must not hold a user or a password; set MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, from a Secret (mlflow.existingSecret in the chart)"
            )
        return uri

    @field_validator("redis_url")
    @classmethod
    def _verified(cls, url: str, given: ValidationInfo) -> str:
        """Have every client check the host's certificate: Celery would accept any by default."""
        authority = given.data.get("redis_ca_file")
        if not url.startswith("rediss://"):
            if authority:
                raise ValueError("redis_ca_file is used with an address that begins with rediss://, and with no other.")
            return url
        parts = urlsplit(url)
        trust = {"ssl_ca_certs": str(authority)} if authority else {}
        query = {**dict(parse_qsl(parts.query)), **VERIFIED, **trust}
        return urlunsplit(parts._replace(query=urlencode(query)))

    def secrets(self) -> set[str]:
        """Return what no log line and no status may show: the secrets of this process and those for worker Pods."""
        for_workers = {str(each.get("name")): str(each.get("value") or "") for each in self.worker_env}
        return secrets_in(os.environ) | secrets_in(for_workers)
