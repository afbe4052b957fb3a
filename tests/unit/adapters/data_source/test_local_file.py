"""Files of the worker that are opened, and everything else at their paths, also when it changes meanwhile."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from twin_operator.adapters.data_source.local_file import IrregularFileError, open_regular_file


def anywhere(_real_path: str) -> None:
    """Allow every path."""


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@contextmanager
def a_socket(path: Path) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as listener:
        # The path of a socket is limited to 108 bytes: it is bound in its folder.
        before = Path.cwd()
        os.chdir(path.parent)
        try:
            listener.bind(path.name)
        finally:
            os.chdir(before)
        yield


def test_a_file_is_read_through_links_and_the_path_without_them_is_checked(tmp_path: Path) -> None:
    (tmp_path / "..2026_11_30").mkdir()
    (tmp_path / "..2026_11_30/x.csv").write_text("rows")
    (tmp_path / "..data").symlink_to("..2026_11_30")
    (tmp_path / "x.csv").symlink_to("..data/x.csv")
    checked: list[str] = []
    with open_regular_file(f"{tmp_path}/x.csv", checked.append) as file:
        assert file.read() == b"rows"
    assert checked == [f"{tmp_path.resolve()}/..2026_11_30/x.csv"]


def test_nothing_is_opened_that_the_check_refuses(tmp_path: Path) -> None:
    def refuse(_path: str) -> None:
        raise PermissionError

    (tmp_path / "x.csv").symlink_to("/etc/passwd")
    with pytest.raises(PermissionError):
        open_regular_file(f"{tmp_path}/x.csv", refuse)


@pytest.mark.timeout(20)  # seconds: what is broken here waits for ever
@pytest.mark.parametrize("link", [False, True])
def test_a_pipe_a_socket_and_a_device_are_refused_without_waiting(tmp_path: Path, *, link: bool) -> None:
    os.mkfifo(tmp_path / "pipe")
    with a_socket(tmp_path / "socket"):
        for target in (tmp_path / "pipe", tmp_path / "socket", Path("/dev/null")):
            path = tmp_path / f"link-to-{target.name}" if link else target
            if link:
                path.symlink_to(target)
            with pytest.raises(IrregularFileError):
                open_regular_file(str(path), anywhere)


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/", IsADirectoryError),
        ("{folder}", IsADirectoryError),
        ("{folder}/nothing.csv", FileNotFoundError),
        ("{folder}/nowhere/x.csv", FileNotFoundError),
        ("{folder}/x.csv/y.csv", NotADirectoryError),
        ("{folder}/" + "x" * 300, OSError),
        ("{folder}/loop", OSError),
    ],
)
def test_what_is_no_file_is_an_error_of_the_system(tmp_path: Path, path: str, error: type[OSError]) -> None:
    (tmp_path / "x.csv").touch()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(error):
        open_regular_file(path.format(folder=tmp_path), anywhere)


def _file_becomes_link(folder: Path) -> None:
    (folder / "sub/x.csv").unlink()
    (folder / "sub/x.csv").symlink_to(folder / "secret/x.csv")


def _folder_becomes_link(folder: Path) -> None:
    (folder / "sub").rename(folder / "old")
    (folder / "sub").symlink_to(folder / "secret")


@pytest.mark.parametrize("change", [_file_becomes_link, _folder_becomes_link])
def test_a_link_that_is_made_after_the_check_is_not_followed(tmp_path: Path, change: Callable[[Path], None]) -> None:
    for name in ("sub", "secret"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.csv").write_text(name)
    with pytest.raises(OSError, match=r"Not a directory|sub/x"):
        open_regular_file(f"{tmp_path}/sub/x.csv", lambda _path: change(tmp_path))


@pytest.mark.timeout(20)  # seconds: what is broken here waits for ever
@pytest.mark.parametrize(
    ("swap", "error"),
    [(os.mkfifo, "x.csv"), (lambda path: path.symlink_to("/etc/passwd"), "symbolic links")],
)
def test_what_comes_in_the_place_of_a_file_that_was_looked_at_is_refused_without_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swap: Callable[[Path], None], error: str
) -> None:
    path = tmp_path / "x.csv"
    path.touch()

    def stat_and_swap(name: str, **options: Any) -> os.stat_result:
        found = status(name, **options)
        path.unlink()
        swap(path)
        return found

    status = os.stat
    before = open_descriptors()
    monkeypatch.setattr("twin_operator.adapters.data_source.local_file.os.stat", stat_and_swap)
    with pytest.raises(OSError, match=error):
        open_regular_file(str(path), anywhere)
    monkeypatch.undo()
    assert open_descriptors() == before
