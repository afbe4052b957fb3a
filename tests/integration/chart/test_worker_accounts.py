"""Workers get no service account of another part of the release, neither by a pool's template nor by the values."""

from __future__ import annotations

from typing import Final

import pytest

from tests.integration.chart.conftest import Helm
from tests.integration.chart.test_ports import ALL, of_kind

OPERATOR: Final = "operator.serviceAccount.name=commander"
NAMES: Final = ("commander", *(f"twins-{part}" for part in ("secrets", "crds", "events", "test")))
VALUES: Final = ("--set", OPERATOR, "--set", "fullnameOverride=twins")


def test_the_names_are_those_of_all_accounts_but_the_workers(offline_helm: Helm) -> None:
    accounts = of_kind(offline_helm.template((*ALL, *VALUES)), "ServiceAccount")
    assert {each["metadata"]["name"] for each in accounts} == {*NAMES, "twins-worker"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", ["workerPools.allowed.serviceAccounts={{{}}}", "workers.serviceAccount.name={}"])
def test_no_value_gives_workers_the_account_of_another_part(offline_helm: Helm, value: str, name: str) -> None:
    values = (*ALL, *VALUES, "--set", value.format(name))
    answer = offline_helm("template", "r", offline_helm.chart, *offline_helm.version, *values)
    assert answer.returncode != 0
    assert f"Workers must not have the service account {name}, which is that of another part" in answer.stderr


def test_accounts_of_ones_own_are_allowed(offline_helm: Helm) -> None:
    assert offline_helm.template((*ALL, *VALUES, "--set", "workerPools.allowed.serviceAccounts={twins-worker,mine}"))
