"""No secret appears in logs, resources, Events, metrics or command lines."""

from __future__ import annotations

import json
import os
import re
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from devcluster.layout import LOOPBACK, free_ports
from tests.integration import redis_users
from tests.integration.conftest import WITHIN
from tests.integration.journey.campaign import model_spec, question
from tests.integration.journey.platform_fixture import PORTS, Platform, Program

PASSWORDS: Final = tuple(redis_users.password(user) for user in ("operator", "worker"))
AWAY: Final = f"{LOOPBACK}:1"  # nothing listens there
SECRETS: Final = {
    "redis": "of-redis-4f1c",
    "signing": "of-signing-4f1c-of-signing-4f1c-of-signing",
    "archive": "of-archive-4f1c",
    "mlflow password": "of-mlflow-password-4f1c",
    "mlflow token": "of-mlflow-token-4f1c",
    "object store": "of-object-store-4f1c",
}
STORE_AWAY: Final = {
    "MLFLOW_TRACKING_USERNAME": "bob",
    "MLFLOW_TRACKING_PASSWORD": SECRETS["mlflow password"],
    "MLFLOW_TRACKING_TOKEN": SECRETS["mlflow token"],
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "AWS_ACCESS_KEY_ID": "unknown-user",
    "AWS_SECRET_ACCESS_KEY": SECRETS["object store"],
    "AWS_ENDPOINT_URL": f"http://{AWAY}",
    "AWS_MAX_ATTEMPTS": "1",
}
"""Credentials, and a store of objects that is away."""
ALL_AWAY: Final = {
    **STORE_AWAY,
    "TWINOPS_SIGNING_KEY": SECRETS["signing"],
    "TWINOPS_ARCHIVE_URL": f"postgresql://archive:{SECRETS['archive']}@{AWAY}/archive",
    "TWINOPS_MLFLOW_TRACKING_URI": f"http://{AWAY}",
}
STARTS: Final = {  # and what a log says where the command does not end by itself
    "an operator": (("run",), None),
    "a worker": (("worker", "--queues", "training"), "Cannot connect to"),
    "the archive": (("archive", "list"), None),
}


def shown(text: str) -> list[str]:
    """Return the names of the secrets that a text shows."""
    return [secret for secret in (*SECRETS.values(), *PASSWORDS) if secret in text]


def test_no_log_shows_a_password(trained: Platform) -> None:
    trained.apply("Simulation", "discreet", question())
    trained.until_phase("Simulation", "discreet", "Succeeded")
    logs = [program.log for program in (trained.operator, *trained.workers.values())]
    assert [log.name for log in logs if shown(log.read_text(errors="replace"))] == []
    assert "://**@" in trained.workers["light"].log.read_text(errors="replace")


def test_no_resource_event_or_command_line_shows_a_password(trained: Platform) -> None:
    seen = trained.kube.kubectl("get", "twinops,events", "-n", trained.namespace, "-o", "yaml")
    for program in (trained.operator, *trained.workers.values()):
        assert program.process is not None
        seen += Path(f"/proc/{program.process.pid}/cmdline").read_text()
    assert shown(seen) == []


@dataclass(frozen=True)
class Failing:
    """Programs whose MLflow, archive and object store are away, in place of those of the platform."""

    programs: tuple[Program, ...]

    def texts(self) -> Iterator[str]:
        """Yield the log and the metrics of each."""
        for program in self.programs:
            yield program.log.read_text(errors="replace")
            address = f"http://{LOOPBACK}:{program.environment['TWINOPS_METRICS_PORT']}/metrics"
            with urllib.request.urlopen(address, timeout=60) as answer:
                yield answer.read().decode()


@contextmanager
def failing(replaced: Sequence[Program], changes: Mapping[str, str]) -> Iterator[Failing]:
    """Run programs in place of those of the platform, with a changed environment."""
    programs = tuple(_changed(program, changes) for program in replaced)
    for program in replaced:
        program.stop()
    try:
        for program in programs:
            program.start()
        yield Failing(programs)
    finally:
        for program in programs:
            program.kill()
        for program in replaced:
            program.start()


def _changed(program: Program, changes: Mapping[str, str]) -> Program:
    allowed = json.dumps([*json.loads(program.environment["TWINOPS_DATA_ALLOW"]), "s3://"])
    environment = {**program.environment, **changes, "TWINOPS_DATA_ALLOW": allowed}
    return Program(program.arguments, environment, program.log.with_name(f"failing-{program.log.name}"))


def everything(platform: Platform, programs: Failing) -> list[str]:
    """Return all resources and Events, and the logs and metrics of programs."""
    return [platform.kube.kubectl("get", "twinops,events", "-A", "-o", "yaml"), *programs.texts()]


def test_nothing_shows_a_secret_when_the_store_of_the_data_is_away(platform: Platform) -> None:
    with failing([platform.workers["heavy"]], STORE_AWAY) as programs:
        platform.apply("TwinModel", "unread", model_spec("s3://bucket/key.csv"))
        platform.until_condition("TwinModel", "unread", "Ready", "DataNotReadable")
        texts = everything(platform, programs)
    assert [shown(text) for text in texts] == [[]] * 3


def test_nothing_shows_a_secret_when_registry_and_archive_are_away(platform: Platform) -> None:
    with failing([platform.operator, platform.workers["heavy"]], ALL_AWAY) as programs:
        platform.apply("TwinModel", "unregistered", model_spec(f"file://{platform.data}/campaign.csv"))
        found = platform.until_condition("TwinModel", "unregistered", "Ready", "InternalError")
        texts = everything(platform, programs)
    assert "MLflow cannot" in found["message"]
    assert [shown(text) for text in texts] == [[]] * 5


@pytest.mark.parametrize(("arguments", "line"), STARTS.values(), ids=STARTS)
def test_no_output_of_a_failing_start_shows_a_secret(
    platform: Platform, tmp_path: Path, arguments: tuple[str, ...], line: str | None
) -> None:
    refusing = re.sub("//(.*@)?", f"//unknown-user:{SECRETS['redis']}@", platform.redis_url, count=1)
    ports = dict(zip(PORTS, map(str, free_ports(2)), strict=True))
    environment = {**os.environ, **ports, **ALL_AWAY, "TWINOPS_REDIS_URL": refusing, "KUBECONFIG": os.devnull}
    program = Program(arguments, environment, tmp_path / "log")
    program.start()
    try:
        platform.kube.until(lambda: _ended(program) or (line and line in program.log.read_text()), WITHIN)
    finally:
        if not _ended(program):
            program.kill()
    assert program.log.read_text()
    assert shown(program.log.read_text()) == []


def _ended(program: Program) -> bool:
    return program.process is not None and program.process.poll() is not None
