"""Operator and worker end with one sentence and exit code 2 where their configuration is wrong."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator

import pytest
from redis.exceptions import RedisError
from typer.testing import CliRunner

from twin_operator.cli.main import app

KEY = "a key of thirty-two characters!!"

WORKER = {
    "an unsafe override": (
        {"TWINOPS_CELERY_OVERRIDES": '{"task_acks_late": false}'},
        "simulations",
        "Set task_acks_late to true, not False: a worker that is killed would lose the tasks it has acknowledged.",
    ),
    "a variable of Celery's": (
        {"CELERY_RESULT_BACKEND": "redis://h"},
        "simulations",
        "Set result_backend to nothing, not an address: results are recorded once, by claims.",
    ),
    "a queue twice": ({}, "a,a", "Name each queue once in --queues: a is there 2 times."),
    "the key before, and none now": (
        {"TWINOPS_SIGNING_KEY_PREVIOUS": KEY},
        "simulations",
        "Set TWINOPS_SIGNING_KEY besides TWINOPS_SIGNING_KEY_PREVIOUS: messages would not be signed.",
    ),
}
CREDENTIALS_IN_ADDRESS = (
    "Correct TWINOPS_MLFLOW_TRACKING_URI: the address must not hold a user or a password; set "
    "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, from a Secret "
    "(mlflow.existingSecret in the chart)."
)
EITHER = {
    "a short key": (
        {"TWINOPS_SIGNING_KEY": "sesame"},
        "Correct TWINOPS_SIGNING_KEY: a key has 32 characters or more; make one with: openssl rand -hex 32.",
    ),
    "a number that is none": (
        {"TWINOPS_LEASE_SECONDS": "sesame"},
        "Correct TWINOPS_LEASE_SECONDS: input should be a valid number, unable to parse string as a number.",
    ),
    "a password in MLflow's address": (
        {"TWINOPS_MLFLOW_TRACKING_URI": "http://bob:sesame@mlflow:5000"},
        CREDENTIALS_IN_ADDRESS,
    ),
    "a token in MLflow's address": (
        {"TWINOPS_MLFLOW_TRACKING_URI": "https://sesame@mlflow"},
        CREDENTIALS_IN_ADDRESS,
    ),
    "a list that is none": (
        {"TWINOPS_DATA_ALLOW": "sesame"},
        "Correct TWINOPS_DATA_ALLOW: its value is not JSON, such as [] or {}.",
    ),
}


@pytest.fixture(autouse=True)
def handlers_of_the_log() -> Iterator[None]:
    """Give the log back its handlers: a command sends it to the standard error that it has."""
    before, level = logging.root.handlers[:], logging.root.level
    hooks = sys.excepthook, threading.excepthook
    yield
    logging.root.handlers[:] = before
    logging.root.setLevel(level)
    sys.excepthook, threading.excepthook = hooks


@pytest.mark.parametrize(("environment", "queues", "sentence"), WORKER.values(), ids=WORKER)
def test_an_unsafe_worker_does_not_start(environment: dict[str, str], queues: str, sentence: str) -> None:
    answer = CliRunner().invoke(app, ["worker", "--queues", queues], env=environment)
    assert (answer.exit_code, answer.stderr) == (2, f"{sentence}\n")


@pytest.mark.parametrize("command", [["run"], ["worker", "--queues", "simulations"], ["dead-letters", "list"]])
@pytest.mark.parametrize(("environment", "sentence"), EITHER.values(), ids=EITHER)
def test_a_wrong_variable_is_named_and_its_value_is_not(
    command: list[str], environment: dict[str, str], sentence: str
) -> None:
    answer = CliRunner().invoke(app, command, env=environment)
    assert (answer.exit_code, answer.stderr) == (2, f"{sentence}\n")
    assert "sesame" not in answer.output


def test_a_sentence_of_a_command_repeats_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis' library repeats what it cannot read."""

    def refuse(*_options: object, **_more: object) -> None:
        raise RedisError("no answer from redis://operator:sesame@redis")

    monkeypatch.setattr("twin_operator.cli.dead_letters.Redis.from_url", refuse)
    answer = CliRunner().invoke(app, ["dead-letters", "list"])
    assert answer.stderr == "Redis (TWINOPS_REDIS_URL) refused: no answer from redis://**@redis.\n"
