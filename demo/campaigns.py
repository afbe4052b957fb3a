"""Deals the customers of examples/hillstrom into experiments by a hash of their rows: `python -m demo.campaigns DIR`.

One real experiment becomes several smaller ones, which the data call campaigns: they differ by chance alone, or by the
customers that got the e-mail. Here is who goes where, in which file, and what each experiment observed.
"""

from __future__ import annotations

import csv
import gzip
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from demo.difference import Difference, plain_difference, read_rows
from demo.output import PROJECT
from devcluster.layout import write_atomically

EXPERIMENTS = 5
"""How many a group is dealt into: with five in its data, a twin is calibrated for differences between experiments."""
# Another seed deals other experiments, by which the figures move a little; the first one serves as well as any.
_SEED = b"1"
ORIGINAL = PROJECT / "examples" / "hillstrom" / "hillstrom.csv.gz"
_READABLE = 0o644  # workers may run as another user

EVERYBODY, WOMENS_GOODS, MENS_GOODS = "campaign", "womens-goods", "mens-goods"
"""Groups of customers; the experiments with a group are called `GROUP-1` to `GROUP-5`."""
FIRST_FILE = "campaign-1.csv.gz"
LATER_FILE = "campaigns-2-to-5.csv.gz"
ALL_FILE = "campaigns.csv.gz"
WOMENS_FILE = "womens-goods.csv.gz"
MENS_FILE = "mens-goods.csv.gz"
BOTH_FILE = "womens-and-mens-goods.csv.gz"


@dataclass(frozen=True)
class Customer:
    """A row as it stands in the file, its values by column, and a number drawn from its content, uniform on 64 bits."""

    line: str
    values: Mapping[str, str]
    drawn: int

    @property
    def experiment(self) -> int:
        """1 to `EXPERIMENTS`."""
        return self.drawn % EXPERIMENTS + 1

    @property
    def in_first_half(self) -> bool:
        """Whether it is in one of two halves, by another digit of the number than the experiment's."""
        return self.drawn // EXPERIMENTS % 2 == 0

    def is_in(self, group: str) -> bool:
        """Whether the experiments with this group had this customer; those with one kind of buyers had one e-mail."""
        if group == EVERYBODY:
            return True
        if self.values["segment"] == "Mens E-Mail":
            return False
        if group == MENS_GOODS:
            return self.values["mens"] == "1" and self.values["womens"] == "0"
        return self.values["womens"] == "1" and self.in_first_half


def deal(lines: Sequence[str]) -> list[Customer]:
    """Draw a number for each row after the header.

    Thousands of rows are equal to others, in the arm too. Hashed alike they would move as one, and an arm would have
    more of some customers than chance gives it: so the count of equal rows before goes into the hash.
    """
    seen: Counter[str] = Counter()
    customers = []
    for line, values in zip(lines[1:], csv.DictReader(lines), strict=True):
        digest = blake2b(f"{line}#{seen[line]}".encode(), digest_size=8, key=_SEED).digest()
        customers.append(Customer(line, values, int.from_bytes(digest, "big")))
        seen[line] += 1
    return customers


def write(folder: Path) -> None:
    """Write the original and the files of experiments into `folder`; each appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    original = ORIGINAL.read_bytes()
    lines = gzip.decompress(original).decode().splitlines()
    write_atomically(folder / ORIGINAL.name, original, _READABLE)
    for name, rows in _files(deal(lines)).items():
        table = "\n".join([f"{lines[0]},campaign", *rows, ""])
        # Level 1: these files live as long as the demo. No time stamp: equal rows give equal bytes.
        write_atomically(folder / name, gzip.compress(table.encode(), compresslevel=1, mtime=0), _READABLE)


def _files(customers: Sequence[Customer]) -> dict[str, list[str]]:
    """Give the rows of each file, with the name of the experiment at the end."""

    def rows(group: str, first: int = 1, last: int = EXPERIMENTS) -> list[str]:
        chosen = (each for each in customers if first <= each.experiment <= last and each.is_in(group))
        return [f"{each.line},{group}-{each.experiment}" for each in chosen]

    return {
        FIRST_FILE: rows(EVERYBODY, last=1),
        LATER_FILE: rows(EVERYBODY, first=2),
        ALL_FILE: rows(EVERYBODY),
        WOMENS_FILE: rows(WOMENS_GOODS),
        MENS_FILE: rows(MENS_GOODS),
        BOTH_FILE: [*rows(WOMENS_GOODS), *rows(MENS_GOODS)],
    }


def replace(folder: Path, name: str, by: str) -> None:
    """Put the content of file `by` into file `name`; a worker reads the old one or the new one, never half of it."""
    write_atomically(folder / name, (folder / by).read_bytes(), _READABLE)


def outcomes(file: Path, arm: str) -> dict[str, Difference]:
    """Compare the arm with the control in each experiment of a file: the outcomes by name, in order."""
    rows = read_rows(file)
    names = sorted(set(rows["campaign"]))
    clauses = [{"feature": "campaign", "operator": "In", "values": [name]} for name in names]
    return {name: plain_difference(rows, arm, [clause]) for name, clause in zip(names, clauses, strict=True)}


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004 - the program and the folder
        sys.exit("usage: python -m demo.campaigns DIR")
    write(Path(sys.argv[1]))
