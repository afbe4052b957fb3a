"""A twin is used on people it never saw: its predictions miss by more than chance explains, and it says so."""

from __future__ import annotations

from demo.campaigns import MENS_FILE, MENS_GOODS
from demo.claims import Claim
from demo.comparing import predictions
from demo.manifests import names_of
from demo.outcomes import measured
from demo.stage import Stage
from demo.tables import labelled
from demo.telling import show
from demo.watching import Json, condition, find

FOLDER = "retraining"
MODEL = "womens-goods"
_HEADLINE = """
A twin that is not faithful any more
Another twin learns from five campaigns with the women's e-mail, all to buyers of women's goods. Then the shop sends it
five times to people who bought men's goods only. The twin does not know that: it expects what it has always seen.
"""


def tell(stage: Stage) -> list[Claim]:
    """Train a twin on one kind of customers and record outcomes of another kind."""
    show(_HEADLINE)
    stage.apply(FOLDER, "twinmodel.yaml", "simulations.yaml")
    stage.watch.until_answered(names_of(FOLDER, "simulations.yaml"))
    stage.record(measured(stage.data / MENS_FILE, "Womens E-Mail", MENS_GOODS.campaigns))
    graded = stage.watch.until_graded(MENS_GOODS.campaigns)
    items = stage.watch.until("a twin that needs new data", lambda items: _is_judged(find(items, "TwinModel", MODEL)))
    show("\nWhat was predicted, and what came\n\n" + predictions(graded.values()))
    stage.show_table("twinmodels", MODEL, "-o", "wide")
    twin = find(items, "TwinModel", MODEL)
    show()
    for kind in ("Faithful", "Retrainable"):
        show(labelled(kind, condition(twin, kind).get("message", "")))
    return _claims(twin)


def _is_judged(twin: Json) -> bool:
    """Whether the twin is found faithful, which ends the wait and breaks the claim, or has reported what it needs."""
    faithful, retrainable = condition(twin, "Faithful"), condition(twin, "Retrainable")
    return faithful.get("status") == "True" or retrainable.get("reason") == "NoNewData"


def _claims(twin: Json) -> list[Claim]:
    faithful, retrainable = condition(twin, "Faithful"), condition(twin, "Retrainable")
    return [
        Claim.of("five campaigns to others: Faithful", "False (FidelityDegraded)", _judgement(faithful)),
        Claim.of("without rows of theirs: Retrainable", "False (NoNewData)", _judgement(retrainable)),
    ]


def _judgement(found: Json) -> str:
    return f"{found.get('status')} ({found.get('reason')})"
