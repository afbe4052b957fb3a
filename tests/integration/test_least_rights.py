"""Every right of the operator's Roles is made use of by some test, and none is missing: read from the audit log.

It runs after all others (see conftest.py), whose operators have the chart's own account.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.integration.chart.conftest import Helm
from tests.integration.conftest import Kube
from tests.integration.release_account import Right, granted, refused, roles, used

JOURNEYS: Final = frozenset((Path(__file__).parent / "journey").glob("test_*.py"))
"""What makes use of rights: a session with all of these must have made use of each."""
UNSEEN: Final = {
    Right("create", "apps", "deployments"): "asked of whoever applies what is not there, and audited as patch",
    Right("patch", "", "pods"): "made use of where pools scale in, in the cluster of tests/integration/scaling",
}
"""Rights that the log cannot show, each with its reason."""


def test_nothing_was_asked_for_without_a_right(kube: Kube) -> None:
    assert refused(kube) == []


def test_every_right_is_made_use_of(kube: Kube, request: pytest.FixtureRequest) -> None:
    idle = granted(roles(Helm(kube.helm, kube.kubeconfig))) - used(kube) - set(UNSEEN)
    chosen_only = not {item.path for item in request.session.items} >= JOURNEYS
    assert chosen_only or idle == set()
