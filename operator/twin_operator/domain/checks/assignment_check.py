"""Is assignment really random? If so, no model can predict a unit's arm from its features within its experiment.

This also catches a feature that leaks the treatment, being measured after it.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr
from scipy.stats import rankdata

from twin_operator.domain.checks.findings import Findings
from twin_operator.domain.checks.randomisation import RandomisedUnits, depends_on_features
from twin_operator.domain.learning.cross_fitting import assign_folds, fitted_rows
from twin_operator.domain.learning.design import Design, design_of
from twin_operator.domain.learning.features_in_use import known_cells, without_features
from twin_operator.domain.learning.learners import ArmModel
from twin_operator.domain.table.arrays import Floats, Identifiers, Integers
from twin_operator.domain.table.columns import Algorithm
from twin_operator.domain.table.experiment_data import ExperimentData

# Three folds: each model sees most of the sample, and each fold is large enough to be tested by itself.
_FOLDS = 3
# A model that is retrained every week must not cry wolf every year.
SIGNIFICANCE = 0.001
_MOST_FEATURES_NAMED = 3
# Features with less than a tenth of the AUC above one half are not worth naming.
_NOTABLE_SHARE = 0.1
_ONE_HALF = 0.5
# Of two arms, one against the rest is the other against the rest.
_PAIR = 2


@dataclass(frozen=True)
class AssignmentCheck:
    """The figures, and a sentence that names features where assignment is not random."""

    findings: Findings
    sentence: str | None


def check_assignment(data: ExperimentData, seed: int) -> AssignmentCheck:
    """Test each arm against the rest; nothing to test where assignment was meant to depend on features."""
    if depends_on_features(data) or not data.features:
        return AssignmentCheck(Findings(), None)
    check = _CrossFittedCheck(data, seed)
    tested = [check.test(arm) for arm in range(1 if len(data.arms) == _PAIR else 0, len(data.arms))]
    strongest = min(tested, key=lambda test: (test.p, -test.auc))
    p = min(1.0, len(tested) * strongest.p)
    findings = Findings({"assignment_auc": strongest.auc, "assignment_p": p})
    if p >= SIGNIFICANCE:
        return AssignmentCheck(findings, None)
    return AssignmentCheck(findings, _sentence(check.telling_features(strongest), strongest.auc))


@dataclass(frozen=True)
class _Test:
    """One arm against the rest: the mean AUC over folds, and a p-value."""

    arm: int
    auc: float
    p: float


class _CrossFittedCheck:
    """Models of the arm on the sample, each asked about the fold that it has not seen."""

    def __init__(self, data: ExperimentData, seed: int) -> None:
        self.units = RandomisedUnits.of(data)
        rows = self.units.rows
        self.fold = assign_folds(data, _FOLDS, seed)[:rows]
        self.data = without_features(data, self._unknown_to_a_fit(data))
        design = design_of(self.data, Algorithm.GRADIENT_BOOSTING)
        self.design = Design(np.asfortranarray(design.matrix[:rows]), design.categorical)
        self.rng = np.random.default_rng(seed)
        self.models = [self._fitted(fold, seed) for fold in range(_FOLDS)]
        self.scores = [self._scores(fold, self.design.rows(self.asked(fold))) for fold in range(_FOLDS)]

    def _unknown_to_a_fit(self, data: ExperimentData) -> list[str]:
        """Features without a value in the rows of one of the fits, which no tree can be fitted to."""
        fits = [fitted_rows(self.fold, fold) for fold in range(_FOLDS)]
        known = {name: known_cells(values[: self.fold.size]) for name, values in data.features.items()}
        return [name for name, cells in known.items() if not all(cells[fit].any() for fit in fits)]

    def _fitted(self, fold: int, seed: int) -> ArmModel:
        fitted = np.flatnonzero(fitted_rows(self.fold, fold))
        model = ArmModel(Algorithm.GRADIENT_BOOSTING, categorical=self.design.categorical, seed=seed)
        return model.fit(self.design.rows(fitted), self.data.arm[fitted])

    def _scores(self, fold: int, matrix: Floats) -> Floats:
        return self.models[fold].predict(matrix, len(self.data.arms))

    def asked(self, fold: int) -> Identifiers:
        """Rows of the sample that are in the fold."""
        return np.flatnonzero(self.fold == fold)

    def test(self, arm: int) -> _Test:
        """The p-value is twice the mean of the folds': valid however the folds depend on each other (Vovk 2020).

        Each fold's is the permutation p-value of its rank sum, as its model knows nothing of the fold's own arms.
        """
        ranked = [self._rank_test(fold, self.scores[fold][:, arm], arm) for fold in range(_FOLDS)]
        aucs, p_values = zip(*ranked, strict=True)
        return _Test(arm, float(np.mean(aucs)), min(1.0, 2 * float(np.mean(p_values))))

    def _rank_test(self, fold: int, score: Floats, arm: int) -> tuple[float, float]:
        unit, inverse = np.unique(self.units.of_row[self.asked(fold)], return_inverse=True)
        mean_score = np.bincount(inverse, weights=score) / np.bincount(inverse)
        return stratified_rank_test(mean_score, self.units.arm[unit] == arm, self.units.experiment[unit])

    def telling_features(self, test: _Test) -> list[str]:
        """The features whose shuffling costs most of the AUC (Breiman 2001), the costliest first."""
        lost = {name: test.auc - self._auc_without(column, test.arm) for name, column in self._columns().items()}
        ordered = sorted(lost, key=lambda name: (-lost[name], name))
        notable = [name for name in ordered if lost[name] > _NOTABLE_SHARE * (test.auc - _ONE_HALF)]
        return (notable or ordered)[:_MOST_FEATURES_NAMED]

    def _columns(self) -> dict[str, int]:
        """Where each feature stands in the design: numbers first, then levels."""
        numeric = [name for name in self.data.features if name not in self.data.levels]
        return {name: position for position, name in enumerate([*numeric, *self.data.levels])}

    def _auc_without(self, column: int, arm: int) -> float:
        aucs = []
        for fold in range(_FOLDS):
            matrix = self.design.rows(self.asked(fold))
            matrix[:, column] = self.rng.permutation(matrix[:, column])
            aucs.append(self._rank_test(fold, self._scores(fold, matrix)[:, arm], arm)[0])
        return float(np.mean(aucs))


def stratified_rank_test(score: Floats, chosen: np.ndarray, stratum: Integers) -> tuple[float, float]:
    """AUC of (n,) scores for (n,) chosen units within strata, and the one-sided p-value of the rank sum.

    Mean and variance of the permutation distribution with ties are exact, its shape is taken as normal
    (Mann and Whitney 1947; van Elteren 1960).
    """
    excess, pairs, variance = 0.0, 0.0, 0.0
    for number in np.unique(stratum):
        inside = stratum == number
        parts = _rank_sum(score[inside], chosen[inside])
        excess, pairs, variance = excess + parts[0], pairs + parts[1], variance + parts[2]
    if variance <= 0:
        return _ONE_HALF, 1.0
    return _ONE_HALF + excess / pairs, float(ndtr(-excess / variance**0.5))


def _rank_sum(score: Floats, chosen: np.ndarray) -> tuple[float, float, float]:
    """The rank sum above its mean, the number of pairs, and the variance of the rank sum."""
    size, inside = score.size, int(np.count_nonzero(chosen))
    pairs = inside * (size - inside)
    if pairs == 0:
        return 0.0, 0.0, 0.0
    ranks = rankdata(score)
    _, ties = np.unique(ranks, return_counts=True)
    tied = float(np.sum(ties.astype(np.float64) ** 3 - ties)) / (size * (size - 1))
    return float(ranks[chosen].sum()) - inside * (size + 1) / 2, pairs, pairs * (size + 1 - tied) / 12


def _sentence(features: list[str], auc: float) -> str:
    named = ", ".join(f'"{name}"' for name in features)
    return (
        f"Assignment does not appear random: {named} predict a unit's arm within its experiment (AUC {auc:.2f}, "
        f"p < {SIGNIFICANCE}); leave out features that were measured after assignment, "
        "or declare the assignment Observational."
    )
