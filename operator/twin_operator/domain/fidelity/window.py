"""Which outcomes count, for the mixture over tau and for the judgement of a version, and what a window adds up to.

Whether a miss is more than chance is in `significance`, what follows from it in `faithfulness`.
"""

import math
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass

from twin_operator.domain.fidelity.grading import grade_of
from twin_operator.domain.fidelity.ledger import Grade, NotCounted, RecordedOutcome, VersionIdentity
from twin_operator.domain.twin import Contrast, LedgerOutcome

# What `covered` promises, and how much of the score rests on the errors and how much on the intervals.
_PROMISED_COVERAGE = 0.95
_ERROR_SHARE, _COVERAGE_SHARE = 0.7, 0.3


@dataclass(frozen=True)
class Summary:
    """How right the predictions of a window have been.

    `score`: 0 to 1; `validations`: how many outcomes; `mean_relative_error`: E; `coverage`: the share inside their
    intervals; `bias`: mean of o - p in outcome units, mirrored contrasts read the same way round; `last_validated`:
    when the newest outcome became known, seconds since the epoch.
    """

    score: float
    grade: Grade
    validations: int
    mean_relative_error: float
    coverage: float
    bias: float
    last_validated: float


def ledger_of(outcomes: Iterable[RecordedOutcome], contrast: Contrast) -> list[LedgerOutcome]:
    """The outcomes of a contrast or its mirror that were predicted, by whatever version, in the order of recording.

    One an experiment: that of the widest population, as populations of one experiment share its difference.
    """
    same = [
        outcome if (outcome.arm, outcome.against) == (contrast.arm, contrast.against) else outcome.reversed()
        for outcome in outcomes
        if _pair(outcome) == frozenset((contrast.arm, contrast.against)) and not outcome.hindsight
    ]
    return [_ledger_outcome(outcome) for outcome in sorted(_widest(same, lambda o: o.experiment), key=_recorded)]


def counted(outcomes: Iterable[RecordedOutcome]) -> tuple[RecordedOutcome, ...]:
    """The outcomes that were predicted before they were known, one for each experiment and pair of arms.

    In whichever direction the pair is read: that of the widest population stands for the others.
    """
    predicted = [outcome for outcome in outcomes if not outcome.hindsight]
    return tuple(_widest(predicted, lambda outcome: (outcome.experiment, _pair(outcome))))


def window_of(outcomes: Iterable[RecordedOutcome], version: VersionIdentity, size: int) -> tuple[RecordedOutcome, ...]:
    """The newest `size` outcomes that this version predicted before they were known, newest first, as recorded.

    One for each experiment and pair of arms, in whichever direction: that of the widest population.
    """
    own = counted(outcome for outcome in outcomes if version.predicted(outcome))
    return tuple(sorted(own, key=lambda o: (o.time, o.recorded, o.name, o.simulation), reverse=True)[:size])


def why_not_counted(
    outcome: RecordedOutcome, outcomes: Iterable[RecordedOutcome], version: VersionIdentity, trained_on: Collection[str]
) -> tuple[NotCounted, RecordedOutcome] | None:
    """Return why an outcome is not in a version's window of any size, and the outcome that counts in its place.

    Args:
        outcome: the outcome; it stands for itself where no other takes its place.
        outcomes: every outcome of the twin.
        version: the active one.
        trained_on: experiments in that version's data.
    """
    if outcome.hindsight:
        return NotCounted.HINDSIGHT, outcome
    if not version.predicted(outcome):
        return NotCounted.OTHER_VERSION, outcome
    if outcome.experiment in trained_on:
        return NotCounted.IN_TRAINING_DATA, outcome
    same = (o for o in outcomes if (o.experiment, _pair(o)) == (outcome.experiment, _pair(outcome)))
    counts = next(iter(counted(o for o in same if version.predicted(o))), outcome)
    if counts.simulation == outcome.simulation:
        return None
    wider = counts.population_share > outcome.population_share
    return NotCounted.NOT_WIDEST if wider else NotCounted.SAME_EXPERIMENT, counts


def summarise(window: Sequence[RecordedOutcome]) -> Summary | None:
    """Add a window up; None where nothing has come true yet."""
    if not window:
        return None
    error = mean_relative_error(window)
    coverage = sum(outcome.graded.covered for outcome in window) / len(window)
    return Summary(
        score=_score(error, coverage),
        grade=grade_of(error),
        validations=len(window),
        mean_relative_error=error,
        coverage=coverage,
        bias=math.fsum(outcome.error for outcome in oriented(window)) / len(window),
        last_validated=max(outcome.time for outcome in window),
    )


def mean_relative_error(window: Sequence[RecordedOutcome]) -> float:
    """E = sqrt(max(0, mean(r^2 - s_o^2))/mean(max(o^2, p^2, s_o^2))) of a window that is not empty.

    Noise is taken from the sum, not from each: a mean of relative errors calls most perfect twins bad where outcomes
    are about as large as their own errors.
    """
    triples = [(outcome.error, outcome.graded.observed_sd, _size(outcome)) for outcome in window]
    largest = max(size for _, _, size in triples)
    if largest == 0:
        return 0.0
    # In units of the largest, so that squares of tiny effects do not vanish.
    excess = math.fsum((error / largest) ** 2 - (noise / largest) ** 2 for error, noise, _ in triples)
    return math.sqrt(max(0.0, excess) / math.fsum((size / largest) ** 2 for _, _, size in triples))


def oriented(outcomes: Sequence[RecordedOutcome]) -> tuple[RecordedOutcome, ...]:
    """The outcomes, with each pair of arms read in one direction, as errors of a contrast and its mirror would cancel.

    Against the arm that more outcomes involve, which is the control where several arms were tried; else as most of the
    pair's outcomes are read; else in alphabetical order.
    """
    involved = Counter(arm for outcome in outcomes for arm in _pair(outcome))
    asked = Counter((outcome.arm, outcome.against) for outcome in outcomes)

    def rank(outcome: RecordedOutcome) -> tuple[int, int, str]:
        return -involved[outcome.against], -asked[outcome.arm, outcome.against], outcome.arm

    return tuple(min(outcome, outcome.reversed(), key=rank) for outcome in outcomes)


def _size(outcome: RecordedOutcome) -> float:
    return max(abs(outcome.observed), abs(outcome.issued.estimate), outcome.graded.observed_sd)


def _score(error: float, coverage: float) -> float:
    missed = abs(coverage - _PROMISED_COVERAGE) / _PROMISED_COVERAGE
    return _ERROR_SHARE * (1 - min(1.0, error)) + _COVERAGE_SHARE * (1 - min(1.0, missed))


def _pair(outcome: RecordedOutcome) -> frozenset[str]:
    return frozenset((outcome.arm, outcome.against))


def _recorded(outcome: RecordedOutcome) -> tuple[float, str, str]:
    return outcome.recorded, outcome.name, outcome.simulation


def _widest(
    outcomes: Iterable[RecordedOutcome], key: Callable[[RecordedOutcome], Hashable]
) -> Iterable[RecordedOutcome]:
    """One outcome a key: that of the widest population, of equally wide ones the first recorded."""
    found: dict[Hashable, RecordedOutcome] = {}
    for outcome in sorted(outcomes, key=lambda o: (-o.population_share, *_recorded(o))):
        found.setdefault(key(outcome), outcome)
    return found.values()


def _ledger_outcome(outcome: RecordedOutcome) -> LedgerOutcome:
    return LedgerOutcome(
        experiment=outcome.experiment,
        predicted=outcome.issued.estimate,
        observed=outcome.observed,
        observed_sd=outcome.graded.observed_sd,
        sampling_sd=outcome.issued.sampling_sd,
        share_squared=outcome.issued.share_squared,
    )
