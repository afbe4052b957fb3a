"""Deals the customers of examples/hillstrom into campaigns by a hash of their rows: `python -m demo.campaigns FOLDER`.

One real experiment becomes several smaller ones: campaigns that differ by nothing but chance, or by whom they were sent
to. Here is who goes where, and in which file; what the campaigns found is in `demo.outcomes`.
"""

from __future__ import annotations

import csv
import gzip
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from demo.manifests import FOLDER
from demo.outcomes import measured, table
from demo.telling import show
from devcluster.layout import write_atomically

CAMPAIGNS = 5
"""How many a group is dealt into: with five experiments in its data, a twin knows enough of how much effects differ."""
# Another seed deals other campaigns, by which the figures move a little; the first one serves as well as any.
_SEED = b"1"
_ORIGINAL = "hillstrom.csv.gz"
_READABLE = 0o644  # workers may run as another user


@dataclass(frozen=True)
class Customer:
    """A row as it stands in the file, its values by column, and a number drawn from its content, uniform on 64 bits."""

    line: str
    values: Mapping[str, str]
    drawn: int

    @property
    def campaign(self) -> int:
        """1 to `CAMPAIGNS`."""
        return self.drawn % CAMPAIGNS + 1

    @property
    def in_first_half(self) -> bool:
        """Whether it is in one of two halves, by another digit of the number than the campaign's."""
        return self.drawn // CAMPAIGNS % 2 == 0


@dataclass(frozen=True)
class Group:
    """Customers whose campaigns are called `NAME-1` to `NAME-5`."""

    name: str
    chosen: Callable[[Customer], bool]

    @property
    def campaigns(self) -> tuple[str, ...]:
        """The names of its campaigns."""
        return tuple(f"{self.name}-{number + 1}" for number in range(CAMPAIGNS))

    def lines(self, customers: Iterable[Customer]) -> Iterator[str]:
        """Give the group's rows, each with the name of its campaign at the end."""
        return (f"{each.line},{self.name}-{each.campaign}" for each in customers if self.chosen(each))


def _without_mens_email(customer: Customer) -> bool:
    return customer.values["segment"] != "Mens E-Mail"


def _first_half_of_womens_buyers(customer: Customer) -> bool:
    return customer.values["womens"] == "1" and customer.in_first_half and _without_mens_email(customer)


def _buyers_of_mens_only(customer: Customer) -> bool:
    values = customer.values
    return values["mens"] == "1" and values["womens"] == "0" and _without_mens_email(customer)


EVERYBODY = Group("campaign", lambda _customer: True)
WOMENS_GOODS = Group("womens-goods", _first_half_of_womens_buyers)
MENS_GOODS = Group("mens-goods", _buyers_of_mens_only)

FIRST_CAMPAIGN = "campaign-1.csv.gz"
LATER_CAMPAIGNS = "campaigns-2-to-5.csv.gz"
ALL_CAMPAIGNS = "campaigns.csv.gz"
WOMENS_FILE = "womens-goods.csv.gz"
MENS_FILE = "mens-goods.csv.gz"
BOTH_FILE = "womens-and-mens-goods.csv.gz"


def deal(lines: Iterable[str]) -> list[Customer]:
    """Draw a number for each row after the header.

    Thousands of rows are equal to others, in the arm too. Hashed alike they would move as one, and an arm would have
    more of some customers than chance gives it: so the count of equal rows before goes into the hash.
    """
    header, *rows = lines
    names = next(csv.reader([header]))
    seen: Counter[str] = Counter()
    customers = []
    for line, values in zip(rows, csv.reader(rows), strict=True):
        customers.append(Customer(line, dict(zip(names, values, strict=True)), _drawn(line, seen[line])))
        seen[line] += 1
    return customers


def _drawn(line: str, equal_before: int) -> int:
    content = f"{line}#{equal_before}".encode()
    return int.from_bytes(blake2b(content, digest_size=8, key=_SEED).digest(), "big")


def write(folder: Path) -> None:
    """Write the original and the files of dealt campaigns into `folder`; each appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    original = (FOLDER / _ORIGINAL).read_bytes()
    lines = gzip.decompress(original).decode().splitlines()
    write_atomically(folder / _ORIGINAL, original, _READABLE)
    for name, content in _files(deal(lines)).items():
        table = "\n".join([f"{lines[0]},campaign", *content, ""])
        # Level 1: these files live as long as the demo. No time stamp: equal rows give equal bytes.
        write_atomically(folder / name, gzip.compress(table.encode(), compresslevel=1, mtime=0), _READABLE)


def _files(customers: Sequence[Customer]) -> dict[str, list[str]]:
    womens, mens = list(WOMENS_GOODS.lines(customers)), list(MENS_GOODS.lines(customers))
    return {
        FIRST_CAMPAIGN: list(EVERYBODY.lines(each for each in customers if each.campaign == 1)),
        LATER_CAMPAIGNS: list(EVERYBODY.lines(each for each in customers if each.campaign > 1)),
        ALL_CAMPAIGNS: list(EVERYBODY.lines(customers)),
        WOMENS_FILE: womens,
        MENS_FILE: mens,
        BOTH_FILE: [*womens, *mens],
    }


def replace(folder: Path, name: str, by: str) -> None:
    """Put the content of file `by` into file `name`; a worker reads the old one or the new one, never half of it."""
    write_atomically(folder / name, (folder / by).read_bytes(), _READABLE)


def main() -> int:
    """Deal into the folder that is named, and print what each campaign found."""
    if len(sys.argv) != 2:  # noqa: PLR2004 - the program and the folder
        show("usage: python -m demo.campaigns FOLDER")
        return 2
    folder = Path(sys.argv[1])
    write(folder)
    later = measured(folder / LATER_CAMPAIGNS, "Mens E-Mail", EVERYBODY.campaigns[1:])
    womens = measured(folder / WOMENS_FILE, "Womens E-Mail", WOMENS_GOODS.campaigns)
    mens = measured(folder / MENS_FILE, "Womens E-Mail", MENS_GOODS.campaigns)
    show(table([*later, *womens, *mens]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
