"""Every right of the operator's Roles is made use of by some test, and none is missing: read from the audit log.

It runs after all others (see conftest.py), whose operators have the chart's own account.
"""

from __future__ import annotations

from typing import Final

import pytest

from tests.integration.chart.conftest import Helm
from tests.integration.conftest import Kube
from tests.integration.release_account import Right, granted, refused, roles, used

ENOUGH: Final = 40
"""Tests of journeys in a session from which on it is the whole, and each right must have been made use of."""
UNSEEN: Final = {
    Right("create", "apps", "deployments"): "asked of whoever applies what is not there, and audited as patch",
}
"""Rights that the log cannot show, each with its reason."""


def test_nothing_was_asked_for_without_a_right(kube: Kube) -> None:
    assert refused(kube) == []


def test_every_right_is_made_use_of(kube: Kube, request: pytest.FixtureRequest) -> None:
    idle = granted(roles(Helm(kube.helm, kube.kubeconfig))) - used(kube) - set(UNSEEN)
    journeys = [item for item in request.session.items if "/journey/" in item.nodeid]
    assert len(journeys) < ENOUGH or idle == set()
