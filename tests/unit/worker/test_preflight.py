"""A worker starts with a safe configuration only, also while Redis is away, and says in a sentence what to change."""

from __future__ import annotations

from typing import Any

import pytest

from twin_operator.services.reconciling.errors import Unsafe
from twin_operator.settings import Settings
from twin_operator.worker.celery_app import create_app
from twin_operator.worker.preflight import (
    check_concurrency,
    installed_versions,
    preflight,
    queue_names,
    refuse_old,
    refuse_unsafe,
)

NOWHERE = "redis://127.0.0.1:1/0"  # nothing listens on port 1: a connection is refused at once


def judge(**settings: Any) -> None:
    chosen = Settings(**settings)
    refuse_unsafe(create_app(chosen, ["training"]).conf, chosen)


def test_our_own_configuration_is_safe() -> None:
    judge()
    judge(redis_url="rediss://:secret@host:6380/1")
    refuse_old(installed_versions())


@pytest.mark.parametrize(
    "overrides",
    [
        {"worker_max_tasks_per_child": 10},
        {"worker_send_task_events": True},
        {"broker_transport_options": {"socket_timeout": 30, "visibility_timeout": 11}},
        {"accept_content": ["application/json"]},
    ],
)
def test_tuning_is_allowed(overrides: dict[str, object]) -> None:
    judge(celery_overrides=overrides)


def test_a_tuned_option_keeps_the_others() -> None:
    options = create_app(Settings(celery_overrides={"broker_transport_options": {"socket_timeout": 30}}), ["q"]).conf
    assert options.broker_transport_options["socket_timeout"] == 30
    assert options.broker_transport_options["global_keyprefix"] == "twinops:"


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (
            {"accept_content": ["json", "pickle"]},
            "Set accept_content to ['json'], not ['json', 'pickle']: other content",
        ),
        ({"accept_content": None}, "Set accept_content to"),
        ({"task_serializer": "pickle"}, "Set task_serializer to json, not 'pickle'"),
        ({"task_acks_late": False}, "Set task_acks_late to true, not False: a worker that is killed would lose"),
        ({"task_acks_late": 1}, "Set task_acks_late to true"),
        ({"task_reject_on_worker_lost": False}, "Set task_reject_on_worker_lost to true"),
        ({"worker_prefetch_multiplier": 4}, "Set worker_prefetch_multiplier to 1, not 4: tasks would wait"),
        ({"worker_prefetch_multiplier": 0}, "Set worker_prefetch_multiplier to 1, not 0"),
        ({"worker_disable_prefetch": False}, "Set worker_disable_prefetch to true"),
        ({"result_backend": "redis://:secret@host"}, "Set result_backend to nothing, not an address: results"),
        ({"task_ignore_result": False}, "Set task_ignore_result to true"),
        ({"worker_enable_remote_control": True}, "Set worker_enable_remote_control to false"),
        ({"worker_pool": "solo"}, "Set worker_pool to prefork, not 'solo'"),
        ({"beat_schedule": {"x": {"task": "twinops.train", "schedule": 5}}}, "Set beat_schedule to nothing"),
        ({"task_routes": {"twinops.*": "elsewhere"}}, "Set task_routes to nothing"),
        ({"task_create_missing_queues": True}, "Set task_create_missing_queues to false"),
        ({"broker_url": "redis://elsewhere"}, "Set TWINOPS_REDIS_URL, and neither broker_url nor CELERY_BROKER_URL"),
        ({"broker_transport_options": {"global_keyprefix": "x:"}}, "Set broker_transport_options.global_keyprefix to"),
        ({"broker_transport_options": {"priority_steps": [0, 9]}}, "Set broker_transport_options.priority_steps to"),
        ({"broker_transport_options": {"unacked_key": "u"}}, "Set broker_transport_options.unacked_key to nothing"),
        (
            {"broker_transport_options": {"visibility_timeout": 10}},
            "Set broker_transport_options.visibility_timeout to more than TWINOPS_LEASE_SECONDS, 10, not 10: the",
        ),
        ({"broker_transport_options": {"health_check_interval": 0}}, "broker_transport_options.health_check_interval"),
        ({"broker_transport_options": {"socket_timeout": None}}, "broker_transport_options.socket_timeout"),
        ({"broker_transport_options": []}, "broker_transport_options is a JSON object"),
        ({"task_ack_late": True}, "Correct TWINOPS_CELERY_OVERRIDES: Celery has no setting task_ack_late."),
    ],
)
def test_what_is_unsafe_is_refused_in_a_sentence(overrides: dict[str, object], sentence: str) -> None:
    with pytest.raises(Unsafe) as refused:
        judge(celery_overrides=overrides)
    assert sentence in str(refused.value)
    assert str(refused.value).endswith(".")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("lease", [1.1, 2, 10, 600])
def test_the_visibility_timeout_is_longer_than_every_lease(lease: float) -> None:
    judge(lease_seconds=lease)


def test_a_visibility_timeout_that_is_shorter_than_the_lease_is_refused() -> None:
    overrides = {"broker_transport_options": {"visibility_timeout": 15}}
    with pytest.raises(Unsafe, match="more than TWINOPS_LEASE_SECONDS, 20, not 15"):
        judge(lease_seconds=20, celery_overrides=overrides)


@pytest.mark.parametrize(
    ("variable", "sentence"),
    [
        ("CELERY_BROKER_URL", "nor CELERY_BROKER_URL: operator and workers"),
        ("CELERY_BROKER_READ_URL", "nor CELERY_BROKER_READ_URL"),
        ("CELERY_RESULT_BACKEND", "Set result_backend to nothing"),
    ],
)
def test_what_celery_reads_from_the_environment_is_judged_too(
    variable: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "redis://elsewhere:6379/3")
    with pytest.raises(Unsafe, match=sentence):
        judge()


def test_a_configuration_module_does_not_override_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "loose.py").write_text(
        "task_acks_late = False\naccept_content = ['pickle']\nbeat_schedule = {'a': 1}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("CELERY_CONFIG_MODULE", "loose")
    judge()


def test_a_worker_knows_the_queues_that_it_serves_and_no_others() -> None:
    app = create_app(Settings(), ["trials", "validation"])
    assert sorted(app.amqp.queues) == ["trials", "validation"]
    with pytest.raises(KeyError):
        app.amqp.queues["simulations"]


@pytest.mark.parametrize("package", ["celery", "kombu"])
def test_old_versions_are_refused(package: str) -> None:
    with pytest.raises(Unsafe, match=rf"Upgrade {package} from 5.6.2 to 5.7 or later"):
        refuse_old({package: "5.6.2"})
    refuse_old({package: "5.10.0"})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Write --queues as names with commas between them"),
        ("simulations,", "'' is no name"),
        ("Simulations", "'Simulations' is no name"),
        ("a b", "'a b' is no name"),
        ("a" * 64, "is no name"),
        ("trials,simulations,trials", "Name each queue once in --queues: trials is there 2 times."),
        (",".join(f"q{i}" for i in range(17)), "Name at most 16 queues"),
    ],
)
def test_queues_that_no_pool_can_have_are_refused(text: str, sentence: str) -> None:
    with pytest.raises(Unsafe) as refused:
        queue_names(text)
    assert sentence in str(refused.value)


def test_queues_are_read_in_their_order() -> None:
    assert queue_names("trials, simulations") == ("trials", "simulations")


def test_too_many_processes_are_refused() -> None:
    check_concurrency(64)
    with pytest.raises(Unsafe, match="Set --concurrency to at most 64"):
        check_concurrency(65)


def check(queues: str = "trials, simulations", concurrency: int = 1, **settings: Any) -> tuple[str, ...]:
    return preflight(Settings(redis_url=NOWHERE, **settings), queues, concurrency)


def test_a_safe_worker_serves_its_queues_although_redis_is_away(caplog: pytest.LogCaptureFixture) -> None:
    assert check() == ("trials", "simulations")
    assert "does not report its maxmemory-policy" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"queues": "Trials"}, "'Trials' is no name"),
        ({"concurrency": 65}, "Set --concurrency to at most 64"),
        ({"celery_overrides": {"task_acks_late": False}}, "Set task_acks_late to true"),
        ({"signing_key_previous": "k" * 32}, "Set TWINOPS_SIGNING_KEY besides TWINOPS_SIGNING_KEY_PREVIOUS"),
    ],
)
def test_an_unsafe_worker_is_refused(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Unsafe, match=sentence):
        check(**arguments)
