"""Starting and stopping, as far as it can be tried without a cluster."""

import os
from pathlib import Path

import pytest

from demo import background
from demo.__main__ import main
from demo.platform import AlreadyRunningError, Platform, running
from devcluster.layout import Layout


def test_a_platform_survives_the_way_to_another_process() -> None:
    platform = Platform("config", "kubectl", "helm", "redis://localhost", "http://localhost")
    assert Platform.from_json(platform.to_json()) == platform


def test_a_second_demo_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    with Layout(tmp_path).lock(), pytest.raises(AlreadyRunningError, match="STOP=1"), running(tmp_path, print):
        pass


def test_a_demo_in_the_foreground_is_not_killed_by_the_id_of_an_earlier_process(tmp_path: Path) -> None:
    with Layout(tmp_path).lock(), pytest.raises(background.BackgroundError, match="Ctrl-C"):
        background.stop(tmp_path)


def test_there_is_nothing_to_stop_where_nothing_runs(tmp_path: Path) -> None:
    (tmp_path / "background.pid").write_text(str(os.getpid()))
    assert background.stop(tmp_path) is False


def test_another_kind_of_cluster_is_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["demo", "--cluster", "kind"])
    assert main() == 2
    assert "NotSupported: CLUSTER=kind is not built yet" in capsys.readouterr().out
