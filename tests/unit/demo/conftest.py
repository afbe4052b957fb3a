"""The dealt experiments, written once for all tests of the demo."""

from pathlib import Path

import pytest

from demo.campaigns import write


@pytest.fixture(scope="session")
def dealt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every file that the demo's twins learn from."""
    folder = tmp_path_factory.mktemp("data")
    write(folder)
    return folder
