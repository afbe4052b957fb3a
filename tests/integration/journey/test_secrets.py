"""Passwords of Redis on their way: nobody finds them in logs, resources, Events or command lines."""

from __future__ import annotations

import re
from pathlib import Path

from tests.integration.journey.campaign import question
from tests.integration.journey.platform_fixture import Platform

PASSWORD = re.compile(r"(operator|worker):(operator|worker)@")  # as in an address; each user's is its name


def test_no_log_shows_a_password(trained: Platform) -> None:
    trained.apply("Simulation", "discreet", question())
    trained.until_phase("Simulation", "discreet", "Succeeded")
    logs = [program.log for program in (trained.operator, *trained.workers.values())]
    assert [log.name for log in logs if PASSWORD.search(log.read_text(errors="replace"))] == []
    assert "://worker:**@" in trained.workers["light"].log.read_text(errors="replace")


def test_no_resource_event_or_command_line_shows_a_password(trained: Platform) -> None:
    seen = trained.kube.kubectl("get", "twinops,events", "-n", trained.namespace, "-o", "yaml")
    for program in (trained.operator, *trained.workers.values()):
        assert program.process is not None
        seen += Path(f"/proc/{program.process.pid}/cmdline").read_text()
    assert not PASSWORD.search(seen)
