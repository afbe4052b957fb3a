"""Numbers and phrases of a recommendation, in the words of a manager. No decision."""

from dataclasses import dataclass

from twin_operator.domain.table.columns import Columns

_SIGNIFICANT_DIGITS = 3


@dataclass(frozen=True)
class Wording:
    """How quantities of one outcome are written: an event in percentage points, a quantity in its own units."""

    columns: Columns

    def amount(self, value: float) -> str:
        """A size without a sign, such as "7.66 points"."""
        shown = plain(abs(value) * (100 if self.columns.binary else 1))
        return f"{shown} point{'' if shown == '1' else 's'}" if self.columns.binary else shown

    def between(self, low: float, high: float) -> str:
        """An interval, such as "-1.2 to 5.1 points"."""
        factor = 100 if self.columns.binary else 1
        return f"{plain(low * factor)} to {plain(high * factor)}{' points' if self.columns.binary else ''}"

    def change(self, estimate: float) -> str:
        """What happens to the outcome, such as "raises visit by 7.66 points"."""
        verb = "raise" if estimate >= 0 else "lower"
        return f"{verb} {self.columns.outcome} by {self.amount(estimate)}"


def plain(value: float) -> str:
    """Three significant digits, thousands separated, never an exponent for ordinary sizes."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.{_SIGNIFICANT_DIGITS}g}")
    return f"{rounded:,.0f}" if rounded.is_integer() else f"{rounded:,.10g}"


def percent(share: float) -> str:
    """A probability as a percentage that never rounds to certainty."""
    shown = 100 * share
    if shown > 99.9:  # noqa: PLR2004 - rounding further would claim certainty
        return "over 99.9 %"
    if shown < 0.1:  # noqa: PLR2004 - likewise
        return "under 0.1 %"
    return f"{plain(shown)} %"
