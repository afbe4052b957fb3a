"""The validations for templates of WorkerPools; the integration tests ask a real API server about each."""

from twin_operator.crdgen.template_policy import validations
from twin_operator.services.pools.template_rules import RULES


def test_each_rule_has_a_validation_with_the_operators_sentence() -> None:
    messages = [each["message"] for each in validations()]
    assert len(messages) == len(RULES)
    for message, rule in zip(messages, RULES, strict=True):
        assert message.endswith(f"{rule.path}: {rule.remedy}")


def test_a_rule_of_containers_sees_those_that_are_objects_only() -> None:
    expressions = {each["message"]: each["expression"] for each in validations()}
    host_port = expressions["spec.template.spec.containers[].ports[].hostPort: write 0"]
    assert host_port.startswith("variables.containers.all(item, ")
    structure = expressions["spec.template.spec.containers[]: write an object, or leave it out"]
    assert "variables.template.spec.containers.all(" in structure
