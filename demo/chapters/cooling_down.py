"""A retraining has just ended; the next one, though a person asks for it, waits until the cool-down is over."""

from __future__ import annotations

from demo.chapters.degrading import FOLDER, MODEL
from demo.claims import Claim
from demo.manifests import names_of
from demo.stage import Stage
from demo.telling import show
from demo.watching import find, phase_of

_HEADLINE = """
No hurry
Somebody asks for another retraining at once.
"""


def tell(stage: Stage) -> list[Claim]:
    """Make a job by hand, and show until when it is held."""
    show(_HEADLINE)
    stage.apply(FOLDER, "retrainingjob.yaml")
    (name,) = names_of(FOLDER, "retrainingjob.yaml")
    items = stage.watch.until(
        "a job that is held by the cool-down",
        lambda items: phase_of(find(items, "RetrainingJob", name)) == "CoolingDown",
    )
    stage.show_table("retrainingjobs", "-o", "wide")
    allowed = find(items, "TwinModel", MODEL)["status"]["retraining"].get("nextAllowedTime")
    held = find(items, "RetrainingJob", name)["status"].get("notBefore")
    return [Claim.of("another job waits until the twin's next allowed time", str(allowed), held)]
