"""A task comes back from its message as it was."""

from __future__ import annotations

from dataclasses import fields

from twin_operator.services.runs.run import Target, Task, TaskKind

TASK = Task(
    run="run-1",
    kind=TaskKind.SIMULATE,
    queue="urgent",
    target=Target("Simulation", "growth", "question", "uid-1"),
    attempt_limit=7,
    payload={"spec": {"seed": 3}},
    deadline=1_800_000_000.5,
    priority=9,
)


def test_a_task_comes_back_with_each_of_its_fields() -> None:
    usual = {"trace"}  # travels in the headers
    defaults = {each.name for each in fields(Task) if getattr(TASK, each.name) == each.default}
    assert defaults == usual, "every other field differs from its default"
    assert Task.from_json(TASK.to_json()) == TASK


def test_the_payload_of_a_message_is_not_copied() -> None:
    assert TASK.to_json()["payload"] is TASK.payload
