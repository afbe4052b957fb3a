"""The bank: what a trained twin is. One row per past unit, nothing aggregated, no learner.

How a bank is stored is not decided here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from twin_operator.domain.errors import UnknownArm
from twin_operator.domain.table.arrays import FeatureValues, Floats, Hashes, Identifiers, Integers, Mask
from twin_operator.domain.table.columns import Columns


@dataclass(frozen=True)
class Bank:
    """Rows of past experiments with their doubly robust scores.

    `arms` has the control first, the others sorted. `levels` gives per categorical feature the labels behind the codes
    in `features` (int32, -1 where missing); numeric features are float64 with NaN where missing. `arm`, `experiment`:
    (n,) codes. `outcome`: (n,), in its own units. `propensity`, `nuisance` (m_a(x), out of fold) and `score` (psi):
    (n, arms). `possible`: (n, arms), whether the row's experiment assigned units to the arm. `cluster`: (n,)
    codes of the randomised units. `weight`: (n,). `time`: (n,) seconds since 1970, or None. `fold`: (n,), -1 where held
    out. `held_out`: (n,), rows that no model was fitted on. `unit_hash`: (n,) hashes of the randomised units, by which
    the same folds can be dealt again; `content`: (n,) hashes of all that a row held, equal for equal rows.
    """

    columns: Columns
    arms: tuple[str, ...]
    experiments: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    features: Mapping[str, FeatureValues]
    arm: Integers
    outcome: Floats
    propensity: Floats
    nuisance: Floats
    score: Floats
    possible: Mask
    experiment: Integers
    cluster: Identifiers
    weight: Floats
    time: Floats | None
    fold: Integers
    held_out: Mask
    unit_hash: Hashes
    content: Hashes

    @property
    def rows(self) -> int:
        """How many past units there are."""
        return int(self.arm.size)

    @property
    def control(self) -> str:
        """The arm that stands for doing nothing new."""
        return self.arms[0]

    def arm_code(self, name: str) -> int:
        """The column of an arm; `UnknownArm` names those that exist."""
        if name.strip() not in self.arms:
            known = ", ".join(f'"{arm}"' for arm in self.arms)
            raise UnknownArm(f'The model has no arm "{name}"; it has {known}.')
        return self.arms.index(name.strip())

    def comparable(self, arm: int, against: int) -> Mask:
        """(n,) rows of experiments that assigned units to both arms."""
        return np.asarray(self.possible[:, arm] & self.possible[:, against])
