"""What the use cases may rely on in an archive, in memory or in a database.

A test module gives `archive`, an empty one, and `rows`, which reads it as administrators do.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.archived import RUN, START, TWIN, failed, outcome, retraining, simulation, weights
from twin_operator.adapters.sql_archive.filters import Kind
from twin_operator.domain.effects.population import Clause
from twin_operator.domain.fidelity.ledger import Grade, Graded, Issued, RecordedOutcome, TwinKey
from twin_operator.domain.twin import TauWeights
from twin_operator.services.archive.ports import Archive, GradedSimulation

Rows = Callable[[Kind], list[dict[str, Any]]]
"""Reads all rows of a kind, by the names of columns of `ArchiveReader`."""

SHARED = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
figures = st.floats(allow_nan=False)
finite = st.floats(allow_nan=False, allow_infinity=False)
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
moments = st.integers(0, 4_000_000_000_000_000).map(lambda microseconds: microseconds / 1e6)
clauses = st.builds(Clause, words, words, st.lists(words, max_size=3).map(tuple))
outcomes = st.builds(
    RecordedOutcome,
    simulation=st.just(""),
    **dict.fromkeys(("name", "registered_model", "model_version", "experiment", "arm", "against"), words),
    where=st.lists(clauses, max_size=3).map(tuple),
    population_share=figures,
    issued=st.builds(Issued, *[figures] * 7),
    observed=figures,
    graded=st.builds(Graded, *[figures] * 4, covered=st.booleans(), grade=st.sampled_from(Grade)),
    hindsight=st.booleans(),
    twin=st.builds(TwinKey, words, words, words),
    run_id=st.none() | words,
    **dict.fromkeys(("predicted_at", "time", "recorded"), moments),
)


def test_an_archive_begins_empty(archive: Archive) -> None:
    assert archive.known(["uid-0"]) == set()
    assert archive.recorded(["uid-0"]) == {}
    assert archive.outcomes(TWIN) == []
    assert archive.weights(["0a1b"]) == {}


def test_nothing_can_be_stored_and_asked_for(archive: Archive) -> None:
    archive.store([], {})
    assert (archive.known([]), archive.record([]), archive.recorded([]), archive.weights([])) == (set(), {}, {}, {})


def test_an_answer_is_kept_as_it_was_given_and_its_figures_have_columns(archive: Archive, rows: Rows) -> None:
    archive.store([simulation()], {})
    (row,) = rows(Kind.SIMULATIONS)
    assert (row["spec"], row["answer"]) == (simulation().spec, simulation().answer)
    assert row["completed"] == datetime.fromtimestamp(START + 0.5, UTC)
    assert (row["estimate"], row["low"], row["calibrated"]) == (0.0736133, -0.111291, False)
    assert (row["sampling_sd"], row["degrees_of_freedom"], row["weights_digest"]) == (0.00345678, 42_611.0, "0a1b")
    assert (row["matched"], row["population_size"], row["seed"], row["action"]) == (35_182, 20_000, 7, "Refine")
    assert row["population_where"] == simulation().spec["population"]["where"]


def test_a_simulation_that_failed_has_no_figures(archive: Archive, rows: Rows) -> None:
    archive.store([failed(0)], {})
    (row,) = rows(Kind.SIMULATIONS)
    assert (row["reason"], row["queued"], row["estimate"], row["population_where"]) == ("ModelNotFound", *[None] * 3)


def test_what_is_stored_already_stays_as_it_is(archive: Archive, rows: Rows) -> None:
    archive.store([simulation(reason="Succeeded")], {})
    archive.store([simulation(reason="Other"), simulation(1, reason="Other"), simulation(1, reason="Third")], {})
    assert {row["simulation"]: row["reason"] for row in rows(Kind.SIMULATIONS)} == {
        "uid-0": "Succeeded",
        "uid-1": "Other",
    }


def test_the_first_outcome_of_a_simulation_stands(archive: Archive) -> None:
    first, second = outcome(observed=0.071), outcome(observed=0.5)
    assert archive.record([first]) == {"uid-0": first}
    assert archive.record([second, outcome(1)]) == {"uid-0": first, "uid-1": outcome(1)}
    assert archive.recorded(["uid-0", "uid-2"]) == {"uid-0": first}


def test_the_outcomes_of_a_model_come_in_the_order_in_which_they_were_recorded(archive: Archive) -> None:
    late, early = outcome(1, recorded=START + 9), outcome(2, recorded=START + 8)
    tied = [outcome(n, recorded=START + 7, time=START + 7 - n) for n in (3, 4)]
    other = outcome(5, twin=replace(TWIN, name="other"))
    archive.record([late, *tied])
    archive.record([early, other])
    assert archive.outcomes(TWIN) == [tied[1], tied[0], early, late]


@pytest.mark.parametrize(
    "other", [replace(TWIN, cluster="cluster-2"), replace(TWIN, namespace="sales"), replace(TWIN, name="other")]
)
def test_twins_with_one_registered_model_share_no_outcome(archive: Archive, other: TwinKey) -> None:
    archive.record([outcome(1), outcome(2, twin=other)])
    assert archive.outcomes(TWIN) == [outcome(1)]
    assert archive.outcomes(other) == [outcome(2, twin=other)]


def test_rows_name_the_run_that_made_the_version(archive: Archive, rows: Rows) -> None:
    archive.store([simulation(), simulation(1, run_id=None)], {})
    assert {row["simulation"]: row["run_id"] for row in rows(Kind.SIMULATIONS)} == {"uid-0": RUN, "uid-1": None}
    assert {row["cluster"] for row in rows(Kind.SIMULATIONS)} == {TWIN.cluster}


def graded(number: int, **changes: Any) -> GradedSimulation:
    fields = {"uid": f"uid-{number}", "name": f"question-{number}", "twin": TWIN, "completed": float(int(START))}
    return GradedSimulation(**{**fields, **changes})


def test_outcomes_that_are_not_stored_are_named(archive: Archive) -> None:
    archive.record([outcome(0), outcome(1)])
    assert archive.unrecorded([graded(number) for number in range(4)]) == {"uid-2", "uid-3"}
    assert archive.unrecorded([]) == set()


def test_an_outcome_of_a_simulation_that_was_restored_is_stored_already(archive: Archive) -> None:
    archive.record([outcome(0)])
    assert archive.unrecorded([graded(0, uid="restored")]) == set()


@pytest.mark.parametrize(
    "changes",
    [
        {"completed": START + 60},
        {"name": "question-1"},
        {"twin": replace(TWIN, namespace="sales")},
        {"twin": replace(TWIN, cluster="cluster-2")},
    ],
)
def test_an_outcome_of_another_answer_is_not_stored(archive: Archive, changes: dict[str, Any]) -> None:
    archive.record([outcome(0)])
    assert archive.unrecorded([graded(0, **{"uid": "other", **changes})]) == {"other"}


def test_the_outcomes_of_a_cluster_are_counted(archive: Archive) -> None:
    archive.record([outcome(0), outcome(1), outcome(2, twin=replace(TWIN, cluster="cluster-2"))])
    assert (archive.outcome_count(TWIN.cluster), archive.outcome_count("cluster-3")) == (2, 0)


@SHARED
@given(outcome=outcomes)
def test_an_outcome_is_read_as_it_was_written(archive: Archive, outcome: RecordedOutcome) -> None:
    fresh = replace(outcome, simulation=uuid.uuid4().hex)  # one archive for all examples, where the first row stays
    assert archive.record([fresh]) == {fresh.simulation: fresh}


def test_a_figure_that_is_not_a_number_comes_back_as_such(archive: Archive) -> None:
    strange = outcome(graded=replace(outcome().graded, relative_error=math.nan, standardized_error=math.inf))
    found = archive.record([strange])["uid-0"].graded
    assert math.isnan(found.relative_error)
    assert found.standardized_error == math.inf


@SHARED
@given(pairs=st.lists(st.tuples(finite, finite), min_size=1, max_size=130), counts=st.tuples(*[st.integers(0, 9)] * 2))
def test_weights_keep_their_digest(archive: Archive, pairs: Any, counts: tuple[int, int]) -> None:
    tau, weight = np.array(pairs).T
    mixture = TauWeights(tau, weight, *counts)
    archive.store([], {mixture.digest: mixture})
    assert archive.weights([mixture.digest])[mixture.digest].digest == mixture.digest


def test_weights_are_stored_with_the_simulations_that_rest_on_them(archive: Archive) -> None:
    kept: Mapping[str, TauWeights] = {w.digest: w for w in (weights(1), weights(2))}
    archive.store([simulation()], kept)
    archive.store([simulation(1)], kept)
    assert {digest: found.digest for digest, found in archive.weights([*kept, "unknown"]).items()} == {
        digest: digest for digest in kept
    }


def test_a_batch_is_stored_whole_or_not_at_all(archive: Archive) -> None:
    broken = simulation(1, answer={"trial": object()})
    with pytest.raises(Exception, match="not JSON serializable"):
        archive.store([simulation(), broken], {weights().digest: weights()})
    assert archive.known(["uid-0"]) == set()
    assert archive.weights([weights().digest]) == {}


def test_batches_of_thousands_are_stored_and_found(archive: Archive) -> None:
    many = [simulation(number) for number in range(3_000)]
    archive.store(many, {})
    archive.store(many, {})
    uids = [one.uid for one in many]
    assert archive.known([*uids, "uid-x"]) == set(uids)
    found = [outcome(number) for number in range(3_000)]
    assert archive.record(found) == {one.simulation: one for one in found}
    assert len(archive.recorded(uids)) == 3_000


def test_a_text_with_a_nul_does_not_hold_up_the_archive(archive: Archive, rows: Rows) -> None:
    archive.store([simulation(arm="a\0b")], {})
    (row,) = rows(Kind.SIMULATIONS)
    assert row["arm"] == "a\N{REPLACEMENT CHARACTER}b"


def test_a_retraining_is_kept_once(archive: Archive, rows: Rows) -> None:
    archive.store_retraining(retraining())
    archive.store_retraining(retraining(message="later"))
    (row,) = rows(Kind.RETRAININGS)
    assert (row["message"], row["status"]) == (retraining().message, retraining().status)
    assert (row["candidate_version"], row["champion_version"], row["approved_by"]) == ("4", "3", "policy")
