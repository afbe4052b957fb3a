"""The five chapters of the demo: each does what a user would do, shows the results, and gives its claims."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from demo import burst, campaigns, claims
from demo.claims import Claim
from demo.difference import Difference, plain_difference, read_rows
from demo.output import interval, points, say, show_message, show_table, show_title
from demo.platform import DATA
from demo.segments import COMPARISONS, segments
from demo.shell import NAMESPACE, Json, Objects, Shell, WaitError, condition, phase

_TWIN = "TwinModel/womens-goods"  # of the chapters about degradation and retraining
_OUTCOMES = (
    "custom-columns=SIMULATION:.metadata.name,PREDICTED:.status.effect.estimate,LOW:.status.effect.low,"
    "HIGH:.status.effect.high,OBSERVED:.spec.observed.effect,STANDARD-ERROR:.spec.observed.standardError,"
    "GRADE:.status.fidelity.grade"
)


def ask(shell: Shell) -> list[Claim]:
    """Train a twin on one experiment, ask it three questions, and compare with plain differences of means."""
    show_title("1. A twin of one experiment answers three questions")
    shell.apply("-f examples/hillstrom/twinmodel.yaml")
    answers = shell.wait_for_simulations(shell.apply("-f examples/hillstrom/simulations.yaml"))
    shell.show(f"kubectl get workerpools -n {NAMESPACE}")
    shell.show("kubectl get twinmodels,simulations -o wide")
    rows = read_rows(campaigns.ORIGINAL)
    plain = [plain_difference(rows, *_question(each["spec"])) for each in answers]
    compared = list(zip(answers, plain, strict=True))
    show_table(
        "Effects on visits in percentage points, next to a plain difference of means on the same rows",
        ("SIMULATION", "EFFECT", "IN A NEW EXPERIMENT", "IN THIS ONE", "PLAIN DIFFERENCE", "CUSTOMERS"),
        [_next_to(found, answer["metadata"]["name"], answer["status"]["effect"]) for answer, found in compared],
    )
    for each in answers:
        show_message(each["status"]["recommendation"]["message"])
    return [claims.estimate_agrees(answer, found) for answer, found in compared]


def _question(spec: Json) -> tuple[str, Sequence[Json]]:
    return spec["intervention"]["arm"], spec.get("population", {}).get("where", [])


def _next_to(plain: Difference, name: str, effect: Json) -> tuple[str, ...]:
    within = effect["withinExperiment"]
    return (
        name,
        points(effect["estimate"]),
        interval(effect["low"], effect["high"]),
        interval(within["low"], within["high"]),
        f"{points(plain.estimate)}, {interval(plain.low, plain.high)}",
        f"{plain.treated:,} and {plain.controls:,}",
    )


def decide(shell: Shell) -> list[Claim]:
    """Ask a twin of one experiment, record the outcomes of four others, and ask it again."""
    show_title("2. Four outcomes turn Refine into Deploy")
    shell.apply("-f examples/fidelity/twinmodel.yaml")
    names = shell.apply("-f examples/fidelity/simulations.yaml")
    before = shell.wait_for_simulations(names)[0]
    _record(shell, campaigns.outcomes(DATA / campaigns.LATER_FILE, "Mens E-Mail"))
    shell.wait_for_simulations(names, graded=True)
    shell.show(f"kubectl get simulations {' '.join(names)} -o {_OUTCOMES}")
    (again,) = shell.apply("-f examples/fidelity/next-simulation.yaml")
    (after,) = shell.wait_for_simulations([again])
    show_message("The same question before and after:")
    shell.show(f"kubectl get simulations {names[0]} {again} -o wide")
    show_message(after["status"]["recommendation"]["message"])
    return claims.outcomes_calibrate(before, after)


def _record(shell: Shell, outcomes: Mapping[str, Difference]) -> None:
    """Record each outcome on the Simulation that has the name of its experiment."""
    for name, found in outcomes.items():
        # Four digits: a hundredth of a percentage point, a tenth of a standard error or less.
        effect, error = round(found.estimate, 4), round(found.standard_error, 4)
        patch = json.dumps({"spec": {"observed": {"experiment": name, "effect": effect, "standardError": error}}})
        command = f"kubectl patch simulation {name} --type=merge -p '{patch}'"
        say(f"$ {command}")
        shell.run(command)


def degrade(shell: Shell) -> list[Claim]:
    """Train a twin on one kind of customers, and record the outcomes of experiments with another kind."""
    show_title("3. A twin that is used on other customers reports that it is not faithful")
    shell.apply("-f examples/retraining/twinmodel.yaml")
    names = shell.apply("-f examples/retraining/simulations.yaml")
    shell.wait_for_simulations(names)
    _record(shell, campaigns.outcomes(DATA / campaigns.MENS_FILE, "Womens E-Mail"))
    shell.wait_for_simulations(names, graded=True)
    twin = shell.wait("a verdict on the twin", lambda objects: _is_judged(objects[_TWIN]))[_TWIN]
    shell.show(f"kubectl get simulations {' '.join(names)} -o {_OUTCOMES}")
    shell.show("kubectl get twinmodel womens-goods -o wide")
    for kind in ("Faithful", "Retrainable"):
        show_message(f"{kind}: {condition(twin, kind).get('message')}")
    return claims.degradation_is_reported(twin)


def _is_judged(twin: Json) -> bool:
    """Whether the twin is faithful, which breaks the claim, or has reported what it needs."""
    faithful, retrainable = condition(twin, "Faithful"), condition(twin, "Retrainable")
    return faithful.get("status") == "True" or retrainable.get("reason") == "NoNewData"


def retrain(shell: Shell) -> list[Claim]:
    """Bring the rows that the twin lacks, approve the job that they start, and ask the version that it promotes."""
    show_title("4. With their rows a better version is approved, passes a gate, and is active")
    say(f"{campaigns.BOTH_FILE} replaces {campaigns.WOMENS_FILE}")
    campaigns.replace(DATA, campaigns.WOMENS_FILE, campaigns.BOTH_FILE)
    waiting = _waiting(shell.wait("a job that waits for approval", lambda objects: bool(_waiting(objects))))[0]
    finished = _approve(shell, waiting["metadata"]["name"])
    version = finished["status"]["candidate"]["version"]
    shell.wait(f"version {version}", lambda objects: objects[_TWIN]["status"]["model"]["version"] == version)
    names = shell.apply("-f examples/retraining/next-simulations.yaml")
    answers = dict(zip(names, shell.wait_for_simulations(names), strict=True))
    show_message("The same question before and after, then about both kinds of buyers:")
    shell.show(f"kubectl get simulations mens-goods-1 {' '.join(names)} -o wide")
    plain = plain_difference(read_rows(DATA / campaigns.MENS_FILE), "Womens E-Mail")
    found = f"{points(plain.estimate)} points, {interval(plain.low, plain.high)}"
    show_message(f"Plain difference of means among buyers of men's goods only: {found}")
    buyers = answers["buyers-of-mens-goods"]
    return [*claims.retraining_is_gated(waiting, finished, buyers, plain), _ask_for_another(shell)]


def _waiting(objects: Objects) -> list[Json]:
    return [each for each in objects.values() if each["kind"] == "RetrainingJob" and phase(each) == "AwaitingApproval"]


def _approve(shell: Shell, name: str) -> Json:
    """Approve a job, and give it once its candidate is promoted."""
    shell.show("kubectl get retrainingjobs")
    shell.show(f"kubectl twin approve {name} --message 'new customers'")
    key = f"RetrainingJob/{name}"
    job = shell.wait("the end of the job", lambda objects: phase(objects[key]) == "Completed")[key]
    shell.show("kubectl get retrainingjobs -o wide")
    show_message(f"gate: {job['status'].get('gate', {}).get('message')}")
    if condition(job, "Promoted").get("status") != "True":
        raise WaitError(f"the candidate of {name} was not promoted")
    return job


def _ask_for_another(shell: Shell) -> Claim:
    """Ask for another retraining at once: the cool-down holds it."""
    (name,) = shell.apply("-f examples/retraining/retrainingjob.yaml")
    key = f"RetrainingJob/{name}"
    objects = shell.wait("the cool-down", lambda objects: phase(objects.get(key, {})) == "CoolingDown")
    shell.show("kubectl get retrainingjobs -o wide")
    return claims.cooldown_holds(objects[_TWIN], objects[key])


def flood(shell: Shell) -> list[Claim]:
    """Train a twin on all experiments, and ask it hundreds of questions at the same time."""
    show_title("5. A burst of questions: a pool without workers follows its queue")
    (twin,) = shell.apply("-f examples/burst/twinmodel.yaml")
    (pool,) = shell.apply(f"-n {NAMESPACE} -f examples/burst/workerpool.yaml")
    wanted = {f"TwinModel/{twin}": "Ready", f"WorkerPool/{pool}": "Idle"}
    shell.wait(
        "a twin of five experiments, and a pool without workers",
        lambda objects: all(phase(objects.get(key, {})) == state for key, state in wanted.items()),
    )
    first = burst.ask(shell)
    answered = shell.items(f"simulations -l {burst.LABEL} --show-managed-fields")
    show_burst([each for each in answered if phase(each) == "Succeeded"])
    scalings = shell.items(f"events -n {NAMESPACE} --field-selector involvedObject.name={pool}")
    deletions = shell.items(f"events -n {NAMESPACE} --field-selector reason=SuccessfulDelete")
    total = len(segments()) * len(COMPARISONS)
    return claims.pool_follows(total, first, answered, [*scalings, *deletions])


def show_burst(answered: Sequence[Json]) -> None:
    """Count the recommendations of each comparison, and show its largest and smallest effect."""
    rows = []
    for arm, against in COMPARISONS:
        compared = {"arm": arm, "against": against}
        found = [each for each in answered if each["spec"]["intervention"] == compared]
        actions = Counter(each["status"]["recommendation"]["action"] for each in found)
        ranked = sorted(filter(_has_enough_units, found), key=lambda each: float(each["status"]["effect"]["estimate"]))
        counts = [str(actions[action]) for action in ("Deploy", "Refine", "Skip")]
        rows.append((f"{arm} instead of {against}", *counts, *map(_extreme, ranked[-1:] + ranked[:1])))
    show_table(
        "Recommendations, and effects in percentage points: of so many, the largest and smallest are partly luck",
        ("COMPARISON", "DEPLOY", "REFINE", "SKIP", "LARGEST EFFECT", "SMALLEST EFFECT"),
        rows,
    )


def _has_enough_units(simulation: Json) -> bool:
    return bool(simulation["status"]["recommendation"]["reason"] != "TooFewUnits")


def _extreme(simulation: Json) -> str:
    return f"{points(simulation['status']['effect']['estimate'])}  {simulation['metadata']['annotations']['segment']}"


CHAPTERS: Mapping[str, Callable[[Shell], list[Claim]]] = {
    "asking": ask,
    "deciding": decide,
    "degrading": degrade,
    "retraining": retrain,
    "burst": flood,
}
ALONE = ("asking", "deciding", "degrading", "burst")
"""Chapters that need none before them."""
