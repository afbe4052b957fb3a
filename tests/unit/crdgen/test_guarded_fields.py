"""The table of guarded fields, and the file of validations that is generated from it."""

from datetime import timedelta

import pytest

from twin_operator.api.v1alpha1 import TwinModelSpec
from twin_operator.crdgen.guarded_fields import GUARDED, UNGUARDED, GuardedField, Looser, validations


@pytest.mark.parametrize("section", ["retraining", "fidelity", "uncertainty"])
def test_each_field_of_a_guarded_section_is_guarded_or_listed_as_free(section: str) -> None:
    fields = {f"{section}.{name}" for name in type(TwinModelSpec.model_fields[section].default).model_fields}
    decided = {f"{guarded.section}.{guarded.name}" for guarded in GUARDED} | UNGUARDED
    assert fields <= decided


def test_no_retraining_is_approved_by_its_score_unless_the_model_says_so() -> None:
    assert GuardedField("retraining", "auto_approve_below", Looser.HIGHER).default == 0


def test_limits_come_from_the_models_defaults() -> None:
    guarded = GuardedField("retraining", "cooldown", Looser.LOWER)
    assert guarded.default == timedelta(hours=24)
    assert any("'24h'" in each["expression"] and "below 24h" in each["message"] for each in validations())


def test_each_field_has_a_sentence_for_creation_and_one_for_updates() -> None:
    for guarded in GUARDED:
        sentences = [each["message"] for each in validations() if guarded.path in each["message"]]
        assert len(sentences) == 2
        assert all("needs the RBAC verb approve on this TwinModel" in sentence for sentence in sentences)
