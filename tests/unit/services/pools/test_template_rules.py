"""Which templates a WorkerPool may have, and what the message about another one says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from tests.pool_templates import (
    ACCEPTED,
    ALLOWANCE,
    BREAKING,
    HARDENED,
    REFUSED,
    Template,
    breaking,
    embedded,
    spec,
    worker,
)
from tests.unit.services.pools.objects import worker_pool
from twin_operator.services.pools.manifest import WorkerDefaults, deployment_manifest
from twin_operator.services.pools.template_constraints import TemplateAllowance, is_image_of
from twin_operator.services.pools.template_rules import CONTAINERS, RULES, STRUCTURE, Rule, template_problem, violations

DEFAULTS = WorkerDefaults("twin-operator:0.1.0", "IfNotPresent", "twin-operator-worker", [], 9090)
NOTHING = TemplateAllowance(worker_account="twin-operator-worker", worker_image="twin-operator:0.1.0")
FIELDS = sorted({step for rule in RULES for step in rule.steps} - {"", "[]"})
READ = (
    *("spec", "spec.containers", "spec.containers[].name", "spec.containers[].env[].name", "metadata.labels"),
    *("spec.containers[].volumeMounts[].mountPath", "spec.initContainers[].name", "spec.volumes[].name"),
    *("spec.terminationGracePeriodSeconds", "spec.tolerations", "spec.tolerations[].key"),
)
"""Fields of a template that are read where it is merged."""
JSON_VALUES = some.recursive(
    some.none() | some.booleans() | some.integers(-1, 1) | some.sampled_from(["", "worker", "ALL", *FIELDS]),
    lambda inner: some.lists(inner, max_size=2) | some.dictionaries(some.sampled_from(FIELDS), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(("template", "path"), REFUSED.values(), ids=REFUSED)
def test_a_template_that_breaks_a_rule_is_refused_by_the_path_of_its_field(template: Template, path: str) -> None:
    found = violations(template, ALLOWANCE)
    where = ".".join(["spec.template", *([path] if path else [])])
    assert any(each.startswith(f"{where}: ") for each in found), found


@pytest.mark.parametrize("template", ACCEPTED.values(), ids=ACCEPTED)
def test_a_template_that_keeps_to_the_rules_is_taken(template: Template) -> None:
    assert violations(template, ALLOWANCE) == ()


@pytest.mark.parametrize("name", ["what is allowed by name", "other containers", "the installation's data"])
def test_nothing_is_allowed_by_name_unless_the_chart_says_so(name: str) -> None:
    assert violations(ACCEPTED[name], NOTHING)


def test_the_workers_own_account_and_image_may_be_named() -> None:
    own = spec(
        serviceAccountName="twin-operator-worker", containers=[{"name": "worker", "image": "twin-operator:0.1.0"}]
    )
    assert violations(own, NOTHING) == ()


def test_a_message_names_some_fields_with_what_to_write_and_counts_the_others() -> None:
    message = template_problem(spec(hostNetwork=True, hostPID=True, hostIPC=True, nodeName="a"), NOTHING)
    assert message is not None
    assert "spec.template.spec.hostNetwork: write false." in message
    assert "nodeName" not in message
    assert message.endswith("And 2 more.")


def test_every_rule_of_a_container_is_one_of_an_init_container_too() -> None:
    both = [
        {(rule.path.removeprefix(root), rule.remedy) for rule in RULES if rule.path.startswith(root)}
        for root in CONTAINERS
    ]
    assert both[0] == both[1]


@pytest.mark.parametrize("rule", RULES, ids=BREAKING)
def test_each_rule_refuses_something_and_says_what_to_write(rule: Rule) -> None:
    found = violations(breaking(rule), ALLOWANCE)
    where = ".".join(["spec.template", *filter(None, [rule.path])]).replace("[]", "[0]")
    assert f"{where}: {rule.remedy}." in found


@pytest.mark.parametrize("rule", STRUCTURE, ids=lambda rule: rule.path)
@pytest.mark.parametrize("value", [None, "a", 1, True], ids=repr)
def test_nothing_that_rules_go_through_may_be_something_else(rule: Any, value: object) -> None:
    for step in reversed(rule.steps):
        value = [value] if step == "[]" else {step: value}
    assert isinstance(value, dict)
    path = rule.path.replace("[]", "[0]")
    assert f"spec.template.{path}: {rule.remedy}." in violations(value, ALLOWANCE)


@pytest.mark.parametrize("value", [None, 1, "a", [], {}], ids=repr)
@pytest.mark.parametrize("path", READ)
def test_nothing_that_the_merge_reads_is_an_exception(path: str, value: object) -> None:
    template = embedded(value, tuple(path.replace("[]", ".[]").split(".")))
    if not violations(template, ALLOWANCE):
        json.dumps(deployment_manifest(worker_pool(template=template), DEFAULTS, 1))


@settings(max_examples=100, deadline=None)
@given(spec=JSON_VALUES, metadata=JSON_VALUES, containers=JSON_VALUES, env=JSON_VALUES)
def test_no_template_at_all_is_an_exception(spec: Any, metadata: Any, containers: Any, env: Any) -> None:
    whole = ({"spec": spec, "metadata": metadata}, {"spec": {"containers": containers}}, worker(env=env))
    for template in whole:
        if not violations(template, ALLOWANCE):
            json.dumps(deployment_manifest(worker_pool(template=template), DEFAULTS, 1))


@pytest.mark.parametrize(
    ("image", "entry", "expected"),
    [
        ("a/b:1", "a/b", True),
        ("a/b@sha256:0", "a/b", True),
        ("a/b:1@sha256:0", "a/b", True),
        ("a/b", "a/b", True),
        ("a/b:1", "a/b:1", True),
        ("a/c", "a/", True),
        ("a/b/c", "a/b", False),
        ("a/bc", "a/b", False),
        ("a:80/b", "a", False),
        ("a/b:2", "a/b:1", False),
    ],
)
def test_an_entry_of_images_is_a_name_an_image_or_a_prefix(image: str, entry: str, expected: bool) -> None:  # noqa: FBT001 - a column
    assert is_image_of(image, entry) is expected


def test_a_container_of_others_needs_what_ours_has() -> None:
    assert violations(spec(containers=[{"name": "other", "securityContext": HARDENED}]), NOTHING) == ()
    (only,) = violations(spec(containers=[{"name": "other", "securityContext": {}}]), NOTHING)
    assert "write securityContext" in only
