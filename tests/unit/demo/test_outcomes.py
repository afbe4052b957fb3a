"""What campaigns found, and whether the examples have the same."""

import json
import re
from pathlib import Path

import pytest
import yaml

from demo.campaigns import EVERYBODY, LATER_CAMPAIGNS, MENS_FILE, MENS_GOODS, WOMENS_FILE
from demo.difference import Difference
from demo.manifests import EXAMPLES, names_of
from demo.outcomes import Outcome, measured, pooled, table

RECORDED = re.compile(r"^record (\S+) (\S+) (\S+)$", re.MULTILINE)
FOUND = Outcome("campaign-2", "Mens E-Mail", Difference(0.071234, 0.007561, 4000, 4100))


def outcomes(dealt: Path, folder: str) -> list[Outcome]:
    if folder == "fidelity":
        return measured(dealt / LATER_CAMPAIGNS, "Mens E-Mail", EVERYBODY.campaigns[1:])
    return measured(dealt / MENS_FILE, "Womens E-Mail", MENS_GOODS.campaigns)


def test_an_outcome_is_recorded_with_its_precision() -> None:
    observed = json.loads(FOUND.patch)["spec"]["observed"]
    assert observed == {"experiment": "campaign-2", "effect": 0.0712, "standardError": 0.0076}


def test_a_table_of_outcomes_has_the_figures_that_are_recorded() -> None:
    assert table([FOUND]).splitlines() == [
        "CAMPAIGN     E-MAIL        EFFECT   STANDARD ERROR   CUSTOMERS   CONTROLS",
        "campaign-2   Mens E-Mail   0.0712   0.0076           4,000       4,100",
    ]


@pytest.mark.parametrize("folder", ["fidelity", "retraining"])
def test_the_readme_records_what_the_campaigns_found(dealt: Path, folder: str) -> None:
    told = {
        name: (float(effect), float(error))
        for name, effect, error in RECORDED.findall((EXAMPLES / folder / "README.md").read_text())
    }
    observed = [json.loads(each.patch)["spec"]["observed"] for each in outcomes(dealt, folder)]
    assert told == {each["experiment"]: (each["effect"], each["standardError"]) for each in observed}


@pytest.mark.parametrize("folder", ["fidelity", "retraining"])
def test_a_question_is_named_as_the_campaign_that_answers_it(dealt: Path, folder: str) -> None:
    assert names_of(folder, "simulations.yaml") == [each.campaign for each in outcomes(dealt, folder)]


@pytest.mark.parametrize("folder", ["fidelity", "retraining"])
def test_a_twin_learns_from_a_file_that_is_dealt(dealt: Path, folder: str) -> None:
    spec = yaml.safe_load((EXAMPLES / folder / "twinmodel.yaml").read_text())["spec"]
    assert (dealt / spec["data"]["uri"].removeprefix("file:///data/")).exists()


def test_the_womens_email_works_on_one_kind_of_buyers_only(dealt: Path) -> None:
    assert pooled(dealt / WOMENS_FILE, "Womens E-Mail").estimate == pytest.approx(0.073, abs=0.0005)
    assert pooled(dealt / MENS_FILE, "Womens E-Mail").estimate == pytest.approx(0.0111, abs=0.0005)
