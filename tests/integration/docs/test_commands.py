"""Every command of the README, the examples and docs/ that can be run here is run, as it stands and in order.

The reader's cluster is a fresh one with the chart; with `--on-demo`, as in `make nightly PART=docs`, it is the one that
`make demo KEEP=1` leaves. Commands that are not run are listed in `not_run.yaml`, each with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
import yaml

from devcluster.services import Service
from tests.integration.docs import reader as readers
from tests.integration.docs.documented import ROOT, Command, blocks, commands, pages
from tests.integration.docs.reader import Reader, StoodIn
from tests.integration.docs.session import Ran, checkout, run

pytestmark = pytest.mark.nightly
NOT_RUN: Final[dict[str, dict[str, str]]] = yaml.safe_load(Path(__file__).with_name("not_run.yaml").read_text())
LAST: Final = ("docs/security.md", "docs/redis.md")
"""Pages that leave the release unable to work here: hostPath volumes are refused, and Redis is another one."""
APPLIED: Final = ("docs/tracing.md",)
"""Pages whose manifests stand in the page, before the commands that are about them."""
WRITTEN: Final = {"README.md": ("twin.yaml", "question.yaml")}
"""Files of a reader that a page shows, in the order of its blocks of YAML."""
BEFORE: Final = {
    "kubectl twin rollback spring ": "kubectl wait --for=condition=Promoted retrainingjob/spring-4x7kd --timeout=10m"
}
"""What a reader does between two commands: wait until what is rolled back is there."""
DOCUMENTED: Final = {page: commands(page) for page in pages()}
TO_RUN: Final = {
    page: [each for each in found if not any(each.text.startswith(start) for start in NOT_RUN.get(page, {}))]
    for page, found in DOCUMENTED.items()
}
ON_DEMO: Final = ("docs/demo.md",)
"""Pages about the objects that `make demo KEEP=1` leaves."""


def order(config: pytest.Config) -> list[str]:
    """Return the pages in the order in which their commands are run."""
    elsewhere = LAST if config.getoption("on_demo") else (*LAST, *ON_DEMO)
    return [page for page in TO_RUN if TO_RUN[page] and page not in elsewhere] + list(LAST)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "page" in metafunc.fixturenames:
        metafunc.parametrize("page", order(metafunc.config))


@pytest.fixture(scope="module")
def reader(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    service_of_mlflow: Callable[[], Service],
) -> Iterator[Reader]:
    if request.config.getoption("on_demo"):
        with readers.on_the_demo() as found:
            yield found
    else:
        with readers.on_a_fresh_cluster(tmp_path_factory.mktemp("docs"), service_of_mlflow().url) as found:
            yield found


@pytest.fixture(scope="module")
def service_of_mlflow(request: pytest.FixtureRequest) -> Callable[[], Service]:
    """Return what starts the MLflow of the tests: the demo has its own."""
    return lambda: request.getfixturevalue("mlflow_server")


@pytest.fixture(scope="module")
def stood_in(reader: Reader, tmp_path_factory: pytest.TempPathFactory) -> StoodIn:
    return readers.stand_in(reader, tmp_path_factory.mktemp("make-run") / "log")


@pytest.fixture(scope="module")
def ran(
    request: pytest.FixtureRequest,
    reader: Reader,
    stood_in: StoodIn,  # noqa: ARG001 - the pages speak of the twin that it made, and end with a release that is broken
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, list[Ran]]:
    """Run the commands of all pages."""
    folder = checkout(tmp_path_factory.mktemp("checkout"))
    readers.retrainings_of_own_twin(reader)
    readers.customers(reader)
    return {page: run_page(page, reader, folder) for page in order(request.config)}


def run_page(page: str, reader: Reader, folder: Path) -> list[Ran]:
    if page in APPLIED:
        manifest = next(each.text for each in blocks((ROOT / page).read_text()) if each.text.startswith("apiVersion"))
        reader.kubectl("apply", "-f", "-", text=manifest)
    shown = [each.text for each in blocks((ROOT / page).read_text()) if each.language == "yaml"]
    for name, text in zip(WRITTEN.get(page, ()), shown, strict=False):
        (folder / name).write_text(text)
    return run([each for command in TO_RUN[page] for each in with_waiting(command)], reader.environment, folder)


def with_waiting(command: Command) -> Iterator[Command]:
    for start, awaited in BEFORE.items():
        if command.text.startswith(start):
            yield Command(page="between", line=command.line, text=awaited)
    yield command


def test_every_command_of_the_page_works(page: str, ran: dict[str, list[Ran]]) -> None:
    results = [each for each in ran[page] if each.command.page == page]
    assert [str(each) for each in results if each.code != 0] == []
    assert [each.command for each in results] == TO_RUN[page]


def test_the_number_of_commands(ran: dict[str, list[Ran]], record_property: Callable[[str, object], None]) -> None:
    done = sum(each.command.page == page for page in ran for each in ran[page])
    left = sum(map(len, DOCUMENTED.values())) - done
    record_property("documented commands", f"{done} run, {left} not run here (not_run.yaml, or about the demo)")
    assert done > left


def test_every_entry_of_the_list_is_a_command_that_is_still_documented() -> None:
    stale = [
        f"{page}: {start}"
        for page, entries in NOT_RUN.items()
        for start in entries
        if not any(each.text.startswith(start) for each in DOCUMENTED.get(page, []))
    ]
    assert stale == []


def test_make_run_stands_in_for_the_operator_of_the_release_until_ctrl_c(stood_in: StoodIn) -> None:
    assert (stood_in.replicas_during, stood_in.replicas_after) == (0, 1), stood_in.log
    assert "twin-operator/twin-operator has 1 replicas again" in stood_in.log
