"""Many threads, and many processes' worth of archives, at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from tests.archived import TWIN, outcome, simulation, weights
from twin_operator.adapters.sql_archive.archive import SqlArchive

MODELS, EACH = 200, 10


def test_two_thousand_outcomes_of_two_hundred_models_are_each_counted_once(archive: SqlArchive) -> None:
    batches = [
        [outcome(model * EACH + n, twin=replace(TWIN, name=f"twin-{model}")) for n in range(EACH)]
        for model in range(MODELS)
    ]
    twice = [batch for batch in batches for _again in range(2)]
    with ThreadPoolExecutor(16) as threads:
        stood = list(threads.map(archive.record, twice))
    assert all(found == {one.simulation: one for one in batch} for found, batch in zip(stood, twice, strict=True))
    for model, batch in enumerate(batches):
        assert archive.outcomes(replace(TWIN, name=f"twin-{model}")) == batch


def test_batches_that_overlap_in_any_order_do_not_stop_each_other(archive: SqlArchive) -> None:
    many = [simulation(number) for number in range(300)]
    mixtures = {w.digest: w for w in map(weights, range(5))}
    orders = [many, many[::-1], many[150:] + many[:150]] * 4
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda batch: archive.store(batch, mixtures), orders))
    assert archive.known([one.uid for one in many]) == {one.uid for one in many}


def test_of_archives_that_are_opened_at_once_one_makes_the_tables(url: str) -> None:
    archives = [SqlArchive(url) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(SqlArchive.open, archives))) == 1
    archives[0].store([simulation()], {})
    assert all(archive.known(["uid-0"]) for archive in archives)
    for archive in archives:
        archive.close()
