"""Exit codes and messages of the demo, as far as they need no cluster."""

from pathlib import Path

import pytest

from demo import __main__, platform
from demo.__main__ import main, show_claims
from demo.claims import Claim
from demo.shell import CommandError, Shell
from devcluster.layout import Layout

KEPT, BROKEN = Claim("one", "Deploy", "Deploy", kept=True), Claim("two", "Deploy", "Refine", kept=False)


@pytest.mark.parametrize(("claims", "code"), [([KEPT, KEPT], 0), ([KEPT, BROKEN], 1)])
def test_the_exit_code_is_1_when_a_claim_was_not_kept(claims: list[Claim], code: int) -> None:
    assert show_claims(claims) == code


def test_a_claim_that_was_not_kept_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    show_claims([KEPT, BROKEN])
    out = capsys.readouterr().out
    assert "1 of 2 claims kept" in out
    assert [line.split()[:2] for line in out.splitlines() if "two" in line] == [["NOT", "KEPT"]]


def test_another_kind_of_cluster_is_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["demo", "--cluster", "kind"])
    assert main() == 2
    assert "NotSupported: CLUSTER=kind is not built yet" in capsys.readouterr().out


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The demo's directory, with nothing in it."""
    monkeypatch.setattr(platform, "DIRECTORY", tmp_path)
    return tmp_path


def test_a_second_demo_is_refused_and_deletes_nothing(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["demo"])
    layout = Layout(directory / "cluster")
    layout.create()
    with layout.lock():
        assert main() == 1
    assert "make demo STOP=1" in capsys.readouterr().out
    assert layout.logs.exists()


def test_there_is_nothing_to_stop_where_nothing_runs(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["demo", "--stop"])
    assert main() == 0
    assert "no demo is running" in capsys.readouterr().out
    assert list(directory.iterdir()) == []


def test_a_command_that_fails_ends_the_demo_with_a_diagnosis(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: Shell) -> None:
        raise CommandError("helm failed")

    monkeypatch.setattr(__main__, "install", fail)
    monkeypatch.setattr(Shell, "run", lambda _, command: f"output of {command.split()[1]}")
    assert __main__._show(Shell({}), ["asking"]) == 1  # noqa: SLF001 - what follows a failure
    out = capsys.readouterr().out
    assert "output of logs" in out
    assert out.splitlines()[-1].endswith("failed: helm failed")
