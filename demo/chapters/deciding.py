"""A twin of one campaign does not dare to say Deploy; the outcomes of four more let it."""

from __future__ import annotations

from demo.campaigns import EVERYBODY, LATER_CAMPAIGNS
from demo.claims import Claim
from demo.comparing import Answer, beside, predictions
from demo.manifests import names_of
from demo.outcomes import measured
from demo.stage import Stage
from demo.telling import show

_FOLDER = "fidelity"
_HEADLINE = """
From Refine to Deploy
The 64,000 customers are dealt by a hash into five campaigns. A twin learns from the first of them alone. It is asked
about the men's e-mail before each of the four others, and gets the outcome of each of them afterwards.
"""
_ABOUT = "men's e-mail, from one campaign"
_MOST_LIKELY = 0.99  # what "about 99.5 %" is above


def tell(stage: Stage) -> list[Claim]:
    """Ask a twin of one campaign, record four outcomes, and ask it again."""
    show(_HEADLINE)
    stage.apply(_FOLDER, "twinmodel.yaml", "simulations.yaml")
    asked = names_of(_FOLDER, "simulations.yaml")
    before = Answer.of(stage.watch.until_answered(asked)[asked[0]])
    stage.record(measured(stage.data / LATER_CAMPAIGNS, "Mens E-Mail", EVERYBODY.campaigns[1:]))
    graded = stage.watch.until_graded(asked)
    stage.apply(_FOLDER, "next-simulation.yaml")
    (again,) = names_of(_FOLDER, "next-simulation.yaml")
    after = Answer.of(stage.watch.until_answered([again])[again])
    show("\nWhat was predicted, and what came\n\n" + predictions(graded.values()))
    titles = "before, from one campaign", "with four outcomes"
    show("\nThe same question, before and after\n\n" + beside(dict(zip(titles, (before, after), strict=True))))
    show("\n" + after.message)
    return _claims(before, after)


def _claims(before: Answer, after: Answer) -> list[Claim]:
    chance = after.chance
    return [
        Claim.of(f"{_ABOUT}: the recommendation", "Refine (NotCalibrated)", before.action),
        Claim.of(f"{_ABOUT} and four outcomes: the recommendation", "Deploy (BenefitLikely)", after.action),
        Claim(
            f"{_ABOUT} and four outcomes: the chance of a benefit",
            "about 99.5 %",
            f"{100 * chance:.1f} %",
            chance > _MOST_LIKELY,
        ),
    ]
