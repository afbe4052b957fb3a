"""The demo from the first manifest to the last line of the claims."""

from __future__ import annotations

from demo import claims
from demo.campaigns import write
from demo.chapters import asking, bursting, cooling_down, deciding, degrading, retraining
from demo.install import install
from demo.kubernetes import Kubernetes
from demo.platform import DIRECTORY
from demo.stage import Stage
from demo.telling import Say, show
from demo.watching import Watch

_DATA = DIRECTORY / "data"
_CHAPTERS = (asking, deciding, degrading, retraining, cooling_down, bursting)
ALONE = {"asking": asking, "deciding": deciding, "degrading": degrading, "burst": bursting}
"""Chapters that need none before them, by the names that people give."""


def tell(kubernetes: Kubernetes, say: Say, only: str | None = None) -> bool:
    """Install the operator and run every chapter, or only one of `ALONE`; False when a claim was broken.

    Raises:
        CommandError: kubectl or Helm failed.
        DisappointedError: something failed, or did not come in time.
    """
    say("dealing the rows of examples/hillstrom into campaigns")
    write(_DATA)
    say("installing the chart with Helm: CRDs, operator, rights, worker pools")
    install(kubernetes, _DATA)
    stage = Stage(kubernetes, Watch(kubernetes, say), _DATA, say)
    chapters = (ALONE[only],) if only else _CHAPTERS
    found = [claim for chapter in chapters for claim in chapter.tell(stage)]
    show("\nWhat was promised, and what was found\n\n" + claims.render(found))
    return all(claim.kept for claim in found)
