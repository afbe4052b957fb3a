"""What `kubectl twin` says where it cannot do what it is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from twin_operator.adapters.kubernetes_api.client import ApiError
from twin_operator.cli.kubectl_twin import app, sentence


def test_a_refusal_by_the_policy_is_its_own_sentence() -> None:
    own = "spec.approval.by must be your own user name: write ed"
    preface = "retrainingjobs.twinops.dev is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: "
    assert sentence(ApiError(403, preface + own)) == own


def test_any_other_refusal_is_told_as_it_came() -> None:
    assert sentence(ApiError(404, 'twinmodels.twinops.dev "a" not found')) == 'twinmodels.twinops.dev "a" not found'


@pytest.mark.parametrize("content", [None, "", "a: [", ":::", "kind: Config\n"])
def test_a_kubeconfig_that_says_nothing_is_told_in_a_sentence(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "config"
    if content is not None:
        path.write_text(content)
    answer = CliRunner().invoke(app, ["status", "--kubeconfig", str(path)])
    assert answer.exit_code == 1
    assert answer.stderr.startswith("error: No cluster to talk to: ")
