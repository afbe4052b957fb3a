"""`twin-operator archive` on both databases."""

from __future__ import annotations

import json
import math
import re
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.csv
import pyarrow.parquet
import pytest
from typer.testing import CliRunner, Result

from tests.archived import START, TWIN, failed, outcome, retraining, simulation, weights
from twin_operator.adapters.sql_archive.archive import SqlArchive
from twin_operator.adapters.sql_archive.reader import BATCH
from twin_operator.cli.main import app
from twin_operator.domain.fidelity.ledger import Grade, Graded

POOR = Graded(0.003, 0.1, 0.9, 4.0, covered=False, grade=Grade.POOR)


def run(*words: str, url: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["archive", *words, "--url", url])
    assert result.exit_code == code, result.output
    return result


def names(*words: str, url: str) -> list[str]:
    return [row["name"] for row in json.loads(run("list", "-o", "json", *words, url=url).stdout)]


@pytest.fixture
def filled(archive: SqlArchive, url: str) -> str:
    """Two models of one name in two namespaces, one with two versions; four outcomes, a failure, a retraining."""
    other = {"namespace": "sales", "registered_model": "sales.hillstrom"}
    archive.store([simulation(n) for n in (0, 1)] + [simulation(2, model_version="4"), simulation(3, **other)], {})
    archive.store([failed(4)], {weights().digest: weights()})
    archive.record([outcome(0), outcome(1, graded=POOR, hindsight=True), outcome(2, model_version="4")])
    archive.record(
        [outcome(3, registered_model="sales.hillstrom", twin=replace(TWIN, namespace="sales"), observed=math.nan)]
    )
    archive.store_retraining(retraining())
    return url


def test_outcomes_are_listed_beside_their_predictions_newest_first(filled: str) -> None:
    lines = run("list", url=filled).stdout.splitlines()
    heads = "KNOWN MODEL VERSION SIMULATION EXPERIMENT ARMS PREDICTED OBSERVED COVERED GRADE"
    assert " ".join(lines[0].split()) == heads
    assert [re.findall("question-.", line) for line in lines[1:]] == [[f"question-{n}"] for n in (3, 2, 1, 0)]
    assert "sales/hillstrom" in lines[1]
    assert "0.07361 (-0.1113 to 0.5726)   0.071      no        Poor (hindsight)" in lines[3]


def test_simulations_and_retrainings_are_listed(filled: str) -> None:
    simulations = run("list", "--kind", "simulations", url=filled).stdout
    assert "ModelNotFound" in simulations.splitlines()[1]
    assert "Refine" in simulations.splitlines()[2]
    assert "FidelityDegraded" in run("list", "--kind", "retrainings", url=filled).stdout


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("--model hillstrom", "3210"),
        ("--model marketing/hillstrom", "210"),
        ("--model sales.hillstrom", "3"),
        ("--model hillstrom --version 4", "2"),
        ("--model nobody", ""),
        ("--grade Poor", "1"),
        ("--grade Poor --grade Excellent --limit 2", "32"),
        ("--experiment spring-2", "2"),
        ("--since 2026-02-28", "32"),
        ("--until 2026-02-27", "10"),
        ("--since 2026-02-27T00:00:00Z --until 2026-02-28T06:13:20.25+00:00", "1"),
        ("--since 2026-02-28T07:13:20.25+01:00", "32"),
    ],
)
def test_filters_choose_rows(filled: str, words: str, found: str) -> None:
    assert names(*words.split(), url=filled) == [f"question-{n}" for n in found]


def test_filters_choose_among_simulations_and_retrainings(filled: str) -> None:
    simulations = ["--kind", "simulations"]
    assert names(*simulations, "--grade", "Poor", url=filled) == ["question-1"]
    assert names(*simulations, "--model", "marketing/hillstrom", "--limit", "1", url=filled) == ["question-4"]
    assert names("--kind", "retrainings", "--version", "4", url=filled) == ["hillstrom-0"]
    assert names("--kind", "retrainings", "--version", "3", url=filled) == []


def test_json_has_every_value(filled: str) -> None:
    row = json.loads(run("list", "-o", "json", "--experiment", "spring-3", url=filled).stdout)[0]
    assert (row["namespace"], row["observed"], row["hindsight"]) == ("sales", None, False)
    assert row["time"] == datetime.fromtimestamp(outcome(3).time, UTC).isoformat().replace("+00:00", "Z")
    assert row["population_where"][0]["feature"] == "recency"
    assert row["answer"] == simulation().answer


def test_a_parquet_file_has_the_rows_as_they_are(filled: str, tmp_path: Path) -> None:
    file = tmp_path / "outcomes.parquet"
    assert "4 outcomes written" in run("export", str(file), url=filled).stderr
    table = pyarrow.parquet.read_table(file)
    listed = json.loads(run("list", "-o", "json", url=filled).stdout)
    assert [plain(row) for row in table.to_pylist()] == listed
    assert str(table.schema.field("time").type) == "timestamp[us, tz=UTC]"
    assert sorted(path.name for path in tmp_path.glob("*") if path.is_file()) == ["outcomes.parquet"]


def plain(row: dict[str, Any]) -> dict[str, Any]:
    nested = {name: json.loads(row[name]) for name in ("population_where", "spec", "answer")}
    moments = {n: v.isoformat().replace("+00:00", "Z") for n, v in row.items() if isinstance(v, datetime)}
    return {**row, **nested, **moments}


def test_a_csv_file_has_the_chosen_rows(filled: str, tmp_path: Path) -> None:
    file = tmp_path / "simulations.csv"
    run("export", str(file), "--kind", "simulations", "--version", "3", url=filled)
    table = pyarrow.csv.read_csv(file)
    assert table["name"].to_pylist() == ["question-3", "question-1", "question-0"]
    assert table["estimate"].to_pylist() == [0.0736133] * 3
    assert table["completed"][2].as_py().timestamp() == START + 0.5


def test_an_export_of_more_rows_than_a_batch_has_all_of_them(archive: SqlArchive, url: str, tmp_path: Path) -> None:
    archive.store([simulation(number) for number in range(BATCH + 10)], {})
    file = tmp_path / "all.parquet"
    run("export", str(file), "--kind", "simulations", url=url)
    found = pyarrow.parquet.read_table(file)["simulation"].to_pylist()
    assert found == [f"uid-{number}" for number in reversed(range(BATCH + 10))]


def test_an_empty_archive_gives_no_rows(archive: SqlArchive, url: str, tmp_path: Path) -> None:
    archive.open()
    assert run("list", url=url).stdout == "No outcomes found.\n"
    assert run("list", "-o", "json", url=url).stdout == "[]\n"
    run("export", str(tmp_path / "none.parquet"), url=url)
    assert pyarrow.parquet.read_table(tmp_path / "none.parquet").num_rows == 0


def test_weights_are_printed(filled: str) -> None:
    assert "5 experiments and 0 outcomes; median of tau" in run("weights", weights().digest, url=filled).stdout
    found = json.loads(run("weights", weights().digest, "-o", "json", url=filled).stdout)
    assert found["weight"] == weights().weight.tolist()
    assert run("weights", "ffff", url=filled, code=1).stderr == "The archive knows no weights with the digest ffff.\n"


@pytest.mark.parametrize("there", ["sqlite", "postgres"])
def test_an_archive_is_copied_into_another_one(
    filled: str, tmp_path: Path, request: pytest.FixtureRequest, there: str
) -> None:
    target = f"sqlite:///{tmp_path}/copy.db" if there == "sqlite" else str(request.getfixturevalue("second_postgres"))
    for _again in range(2):
        said = run("copy", "--to", target, url=filled).stdout
        assert said == "Copied: 4 outcomes, 1 retrainings, 5 simulations, 1 tau_weights.\n"
    for kind in ("outcomes", "simulations", "retrainings"):
        words = ("list", "-o", "json", "--kind", kind)
        assert run(*words, url=target).stdout == run(*words, url=filled).stdout
    assert (
        json.loads(run("weights", weights().digest, "-o", "json", url=target).stdout)["tau"] == weights().tau.tolist()
    )


def test_the_rows_of_a_cluster_are_adopted_once(filled: str, url: str) -> None:
    words = ("adopt", TWIN.cluster, "--cluster", "cluster-2")
    assert run(*words, url=filled).stdout == "Adopted for cluster-2: 4 outcomes, 1 retrainings, 5 simulations.\n"
    with closing(SqlArchive(url)) as archive:
        assert archive.outcomes(TWIN) == []
        assert len(archive.outcomes(replace(TWIN, cluster="cluster-2"))) == 3
    said = run(*words, url=filled, code=1).stderr
    assert said == "No row is of cluster cluster-1; there are rows of cluster-2.\n"


def test_an_answer_that_the_restored_cluster_has_is_not_adopted_too(filled: str, url: str) -> None:
    restored = replace(TWIN, cluster="cluster-2")
    with closing(SqlArchive(url)) as archive:
        archive.record([replace(outcome(0, twin=restored), simulation="restored")])
        run("adopt", TWIN.cluster, "--cluster", "cluster-2", url=filled)
        found = [each.simulation for each in archive.outcomes(restored)]
    assert found == ["restored", "uid-1", "uid-2"]


def test_rows_are_not_adopted_from_the_cluster_itself_or_from_none(filled: str) -> None:
    assert (
        "name the one that has them" in run("adopt", "cluster-1", "--cluster", "cluster-1", url=filled, code=1).stderr
    )
    missing = run("adopt", "cluster-9", "--cluster", "cluster-2", url=filled, code=1).stderr
    assert missing == "No row is of cluster cluster-9; there are rows of cluster-1.\n"


def test_what_is_not_there_is_said_and_not_made(url: str, tmp_path: Path) -> None:
    for words in (
        ["list"],
        ["export", str(tmp_path / "x.parquet")],
        ["weights", "0a1b"],
        ["adopt", "cluster-1", "--cluster", "cluster-2"],
        ["copy", "--to", f"sqlite:///{tmp_path}/copy.db"],
    ):
        said = run(*words, url=url, code=1).stderr
        assert said.startswith("There is no archive in ")
        assert said.endswith("start the operator, or run `twin-operator archive migrate`.\n")
    assert list(tmp_path.glob("*")) == []
    assert "is at revision 0002" in run("migrate", url=url).stdout
    assert run("list", url=url).stdout == "No outcomes found.\n"
