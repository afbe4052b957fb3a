"""The rows that the twin lacked arrive: a retraining waits for a person, is approved, passes the gate and serves."""

from __future__ import annotations

from collections.abc import Mapping

from demo.campaigns import BOTH_FILE, MENS_FILE, WOMENS_FILE, replace
from demo.chapters.degrading import FOLDER, MODEL
from demo.claims import Claim
from demo.comparing import Answer, beside
from demo.difference import Difference
from demo.manifests import names_of
from demo.outcomes import pooled
from demo.stage import Stage
from demo.tables import interval, labelled, points
from demo.telling import show
from demo.watching import DisappointedError, Items, Json, condition, find, phase_of

_HEADLINE = """
A better version
The rows of the five campaigns arrive in the file that the twin was learned from.
"""
_MENS = "buyers-of-mens-goods"  # the question about them, to the new version


def tell(stage: Stage) -> list[Claim]:
    """Bring the rows, approve the job that they make, and ask the version that comes of it."""
    show(_HEADLINE)
    waiting = _bring_rows(stage)
    finished = _approve(stage, waiting)
    answers, rows = _ask_again(stage, finished), pooled(stage.data / MENS_FILE, "Womens E-Mail")
    _show_answers(answers, rows)
    return [*_job_claims(waiting, finished), _answer_claim(answers[_MENS], rows)]


def _bring_rows(stage: Stage) -> Json:
    """Put the rows into the twin's data, and give the job that waits for a person."""
    stage.say(f"{BOTH_FILE} takes the place of {WOMENS_FILE}")
    replace(stage.data, WOMENS_FILE, BOTH_FILE)
    items = stage.watch.until("a RetrainingJob that waits for an approval", lambda items: bool(_waiting(items)))
    stage.show_table("retrainingjobs")
    return _waiting(items)[0]


def _waiting(items: Items) -> list[Json]:
    return [item for item in items if item["kind"] == "RetrainingJob" and phase_of(item) == "AwaitingApproval"]


def _approve(stage: Stage, job: Json) -> Json:
    """Approve a job in our own name, and give it once its candidate serves.

    Raises:
        DisappointedError: the candidate was not promoted.
    """
    name = job["metadata"]["name"]
    stage.say(f"kubectl twin approve {name}")
    stage.say(stage.kubernetes.kubectl("twin", "approve", name, "--message", "we sell to them, too").strip())
    ended = stage.watch.until("the end of the job", lambda items: phase_of(_job(items, name)) == "Completed")
    stage.show_table("retrainingjobs", "-o", "wide")
    finished = _job(ended, name)
    verdict = finished["status"].get("gate", {}).get("message", "")
    show("\n" + labelled("gate", verdict) + "\n")
    if condition(finished, "Promoted").get("status") != "True":
        raise DisappointedError(f"the candidate of {name} was not promoted: {verdict}")
    return finished


def _job(items: Items, name: str) -> Json:
    return find(items, "RetrainingJob", name)


def _ask_again(stage: Stage, job: Json) -> Mapping[str, Answer]:
    """Put the old question to the new version, then about either kind of buyers; give the old answer and the new."""
    version = job["status"]["candidate"]["version"]
    stage.watch.until(f"version {version} serves", lambda items: _version(find(items, "TwinModel", MODEL)) == version)
    stage.apply(FOLDER, "next-simulations.yaml")
    first = names_of(FOLDER, "simulations.yaml")[0]
    answered = stage.watch.until_answered([first, *names_of(FOLDER, "next-simulations.yaml")])
    return {name: Answer.of(each) for name, each in answered.items()}


def _version(twin: Json) -> str:
    return str(twin["status"]["model"]["version"])


def _show_answers(answers: Mapping[str, Answer], rows: Difference) -> None:
    show("\nThe same question before and after, then about either kind of buyers\n")
    show(beside({_title(name): each for name, each in answers.items()}))
    found = f"{points(rows.estimate)} points; 95 % interval {interval(rows.low, rows.high)}"
    show(f"\nA plain difference of means among buyers of men's goods only: {found}.")


def _title(name: str) -> str:
    return "everybody, before" if name in names_of(FOLDER, "simulations.yaml") else name.replace("-", " ")


def _job_claims(waiting: Json, finished: Json) -> list[Claim]:
    promoted, trigger = condition(finished, "Promoted"), waiting["spec"]["trigger"]["type"]
    return [
        Claim.of("with their rows: a job's trigger", "FidelityDegraded", trigger),
        Claim.of("it waits for a person", "AwaitingApproval", phase_of(waiting)),
        Claim.of("it was promoted", "True (GatePassed)", f"{promoted.get('status')} ({promoted.get('reason')})"),
    ]


def _answer_claim(answer: Answer, rows: Difference) -> Claim:
    wanted = f"{interval(rows.low, rows.high)} points"
    about = f"version {answer.version}: the effect on buyers of men's goods"
    return Claim(about, wanted, f"{points(answer.effect)} points", rows.contains(answer.effect))
