"""What a worker checks before it starts: a rule a line, on the configuration as Celery reads it.

Celery also reads the environment (CELERY_BROKER_URL, CELERY_RESULT_BACKEND, CELERY_CONFIG_MODULE) and users override
settings with TWINOPS_CELERY_OVERRIDES: the resulting configuration is checked, wherever it came from. Apart from
`main`, whose learners take seconds to import.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

from celery.app.defaults import SETTING_KEYS

from twin_operator.adapters.redis_queue import keys
from twin_operator.adapters.redis_queue.memory import refuse_evicting_redis
from twin_operator.services.reconciling.errors import Unsafe
from twin_operator.settings import Settings
from twin_operator.wiring.connections import build_signing
from twin_operator.worker.celery_app import create_app

Conf = Any  # Celery's own: what comes from the environment is an attribute and no item
OLDEST: Final = (5, 7)  # kombu before 5.7 waits for ever on a half-open connection, Celery before it prefetches
MOST_QUEUES: Final = 16  # as the schema of WorkerPool
MOST_TASKS: Final = 64  # processes of one worker; more Pods do more, and each process holds learners and a bank
_QUEUE: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")  # as the schema of WorkerPool
_JSON: Final = {"json", "application/json"}


@dataclass(frozen=True)
class Rule:
    """A setting, what it has to be, and what goes wrong otherwise."""

    setting: str
    sound: Callable[[Any, Settings], bool]
    wanted: str
    otherwise: str

    def complaint(self, value: object, settings: Settings) -> str | None:
        """Return the sentence for a value that is not sound."""
        if self.sound(value, settings):
            return None
        wanted = self.wanted.format(settings=settings)
        return f"Set {self.setting} to {wanted}, not {_shown(self.setting, value)}: {self.otherwise}."


def _is(wanted: object) -> Callable[[Any, Settings], bool]:
    return lambda value, _settings: value == wanted and isinstance(value, bool) == isinstance(wanted, bool)


def _nothing(value: object, _settings: Settings) -> bool:
    return not value or value == "disabled"


def _json_only(value: object, _settings: Settings) -> bool:
    return isinstance(value, list | tuple | set | frozenset) and bool(value) and set(value) <= _JSON


def _is_longer_than_the_lease(value: object, settings: Settings) -> bool:
    return isinstance(value, int | float) and value > settings.lease_seconds


def _positive(value: object, _settings: Settings) -> bool:
    return isinstance(value, int | float) and value > 0


_RULES: Final = (
    Rule("accept_content", _json_only, "['json']", "other content, such as pickle, lets a message run any code"),
    Rule("task_serializer", _is("json"), "json", "only JSON is taken from queues"),
    Rule("result_serializer", _is("json"), "json", "only JSON is written"),
    Rule("event_serializer", _is("json"), "json", "only JSON is written"),
    Rule("task_protocol", _is(2), "2", "the operator writes messages of protocol 2"),
    Rule("task_acks_late", _is(True), "true", "a worker that is killed would lose the tasks it has acknowledged"),
    Rule("task_reject_on_worker_lost", _is(True), "true", "a task whose process is killed would be lost"),
    Rule("worker_prefetch_multiplier", _is(1), "1", "tasks would wait in a busy worker while others are idle"),
    Rule("worker_disable_prefetch", _is(True), "true", "tasks would wait in a busy worker while others are idle"),
    Rule("result_backend", _nothing, "nothing", "results are recorded once, by claims"),
    Rule("task_ignore_result", _is(True), "true", "results are recorded once, by claims"),
    Rule("worker_enable_remote_control", _is(False), "false", "whoever reaches Redis could command the workers"),
    Rule("beat_schedule", _nothing, "nothing", "schedules are on the resources; the operator's leader follows them"),
    Rule("task_routes", _nothing, "nothing", "a task's queue is in the spec of its object"),
    Rule("worker_pool", _is("prefork"), "prefork", "ending one run would end the whole worker"),
    Rule("task_create_missing_queues", _is(False), "false", "a worker serves the queues that its pool names"),
)
_TRANSPORT_RULES: Final = (
    Rule("global_keyprefix", _is(keys.PREFIX), keys.PREFIX, "the operator would not find its queues"),
    Rule("sep", _is(keys.PRIORITY_SEPARATOR), "kombu's default", "the operator would not find its queues"),
    Rule("priority_steps", _is(list(keys.PRIORITY_STEPS)), f"{list(keys.PRIORITY_STEPS)}", "the operator uses these"),
    Rule("unacked_key", _nothing, "nothing", "the operator would take tasks in work for lost ones"),
    Rule("unacked_index_key", _nothing, "nothing", "tasks in work would be delivered again and again"),
    Rule(
        "visibility_timeout",
        _is_longer_than_the_lease,
        "more than TWINOPS_LEASE_SECONDS, {settings.lease_seconds:g}",
        "the message of a killed worker would come back while its claim still holds, and be dropped",
    ),
    Rule("health_check_interval", _positive, "a number of seconds", "a half-open connection would wait for ever"),
    Rule("socket_timeout", _positive, "a number of seconds", "a dead connection would wait for ever"),
)


def preflight(settings: Settings, queues: str, concurrency: int) -> tuple[str, ...]:
    """Return the queues to serve, where nothing speaks against a start.

    Raises:
        Unsafe: the worker would lose work, do it twice, or take orders from strangers.
    """
    served = queue_names(queues)
    check_concurrency(concurrency)
    refuse_old(installed_versions())
    refuse_unsafe(create_app(settings, served).conf, settings)
    build_signing(settings)
    refuse_evicting_redis(settings.redis_url)
    return served


def refuse_unsafe(conf: Conf, settings: Settings) -> None:
    """Judge the configuration that Celery would run with.

    Raises:
        Unsafe: with the sentence about the first setting that is not sound.
    """
    _refuse_overrides(settings.celery_overrides)
    for rule in _RULES:
        _refuse(rule.complaint(getattr(conf, rule.setting), settings))
    options = conf.broker_transport_options
    for rule in _TRANSPORT_RULES:
        complaint = rule.complaint(options.get(rule.setting), settings)
        _refuse(complaint and complaint.replace("Set ", "Set broker_transport_options.", 1))
    for setting in ("broker_url", "broker_read_url", "broker_write_url"):
        if getattr(conf, setting) != settings.redis_url:
            raise Unsafe(
                f"Set TWINOPS_REDIS_URL, and neither {setting} nor CELERY_{setting.upper()}: operator and workers "
                "would talk to different brokers."
            )


def refuse_old(versions: Mapping[str, str]) -> None:
    """Refuse versions of Celery and kombu, by package, that lose work.

    Raises:
        Unsafe: with a sentence about the package to upgrade.
    """
    for package, text in versions.items():
        if tuple(map(int, text.split(".")[:2])) < OLDEST:
            raise Unsafe(f"Upgrade {package} from {text} to 5.7 or later: older ones lose tasks with a connection.")


def installed_versions() -> dict[str, str]:
    """Return what is installed."""
    return {package: version(package) for package in ("celery", "kombu")}


def queue_names(text: str) -> tuple[str, ...]:
    """Read the queues of a command line.

    Raises:
        Unsafe: with a sentence, where that is not a list of names, each once.
    """
    names = tuple(name.strip() for name in text.split(","))
    wrong = [name for name in names if not _QUEUE.fullmatch(name)]
    if wrong:
        raise Unsafe(
            f"Write --queues as names with commas between them, such as simulations,trials: {wrong[0]!r} is no name "
            "of lower-case letters, digits, dots and dashes, with at most 63 characters."
        )
    return _distinct(names)


def check_concurrency(tasks: int) -> None:
    """Refuse more processes than a worker does well with.

    Raises:
        Unsafe: with a sentence.
    """
    if tasks > MOST_TASKS:
        raise Unsafe(f"Set --concurrency to at most {MOST_TASKS}, and have more workers: not {tasks}.")


def _refuse_overrides(overrides: Mapping[str, object]) -> None:
    unknown = sorted(set(overrides) - SETTING_KEYS)
    if unknown:
        raise Unsafe(f"Correct TWINOPS_CELERY_OVERRIDES: Celery has no setting {unknown[0]}.")
    if not isinstance(overrides.get("broker_transport_options", {}), dict):
        raise Unsafe("Correct TWINOPS_CELERY_OVERRIDES: broker_transport_options is a JSON object.")


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Unsafe(f"Name each queue once in --queues: {twice[0]} is there {names.count(twice[0])} times.")
    if len(names) > MOST_QUEUES:
        raise Unsafe(f"Name at most {MOST_QUEUES} queues in --queues, and have more pools: not {len(names)}.")
    return tuple(names)


def _refuse(complaint: str | None) -> None:
    if complaint:
        raise Unsafe(complaint)


def _shown(setting: str, value: object) -> str:
    if setting == "result_backend":
        return "an address"  # which may hold a password
    return "what it is" if setting in {"beat_schedule", "task_routes"} else repr(value)
