"""Names for the array types that the domain passes around. No computation."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
"""Any shape, float64; each docstring that uses it states shape and unit."""
Integers: TypeAlias = NDArray[np.int32]
Identifiers: TypeAlias = NDArray[np.int64]
Hashes: TypeAlias = NDArray[np.uint64]
Mask: TypeAlias = NDArray[np.bool_]
FeatureValues: TypeAlias = NDArray[np.float64] | NDArray[np.int32]
"""(n,) numeric values with NaN where missing, or level codes with -1 where missing."""
RawColumn: TypeAlias = np.ndarray[tuple[int], np.dtype[np.generic]]
"""(n,) as read from a file: object, str, float64, int, bool or datetime64."""
