"""Hundreds of questions at once: a pool without workers gets some, answers, and has none again."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import yaml

from demo import segments
from demo.claims import Claim
from demo.course import Course
from demo.following import Follower, following
from demo.install import NAMESPACE
from demo.manifests import names_of
from demo.redrawing import Draw, table
from demo.stage import Stage
from demo.telling import show
from demo.verdicts import render
from demo.watching import DisappointedError, Items, find, phase_of

_FOLDER = "burst"
_HEADLINE = """
Who should get which e-mail?
A twin learns from all five campaigns. Then {total} questions come at once: each e-mail against none and against the
other, for everybody and in {segments} segments. The pool for them has no workers yet.
"""
_LABEL = "burst=segments"
_WITHIN = 300.0  # seconds; two idle cores take about one minute
_POLL = 0.25  # seconds between reads of the watches


@dataclass(frozen=True)
class _Eyes:
    """The watches of a burst."""

    pool: Follower
    simulations: Follower
    pods: Follower

    def look(self, course: Course) -> None:
        """Take what came into the course."""
        for seen in self.simulations.take():
            course.take_simulation(seen.at, *seen.fields)
        for seen in self.pods.take():
            course.take_pod(seen.at, *seen.fields)
        for seen in self.pool.take():
            course.take_pool(seen.at, json.loads(seen.fields[0]))


def tell(stage: Stage) -> list[Claim]:
    """Train a twin of all campaigns, ask it hundreds of questions at once, and show how the pool follows."""
    questions = segments.questions()
    show(_HEADLINE.format(total=len(questions), segments=len(segments.segments()) - 1))
    stage.apply(_FOLDER, "twinmodel.yaml")
    stage.apply(_FOLDER, "workerpool.yaml", namespace=NAMESPACE)
    stage.watch.until("a twin of five campaigns, and a pool without workers", _is_set)
    scaling = yaml.safe_load((segments.FOLDER / "workerpool.yaml").read_text())["spec"]["autoscaling"]
    course = _burst(stage, len(questions), scaling["maxReplicas"])
    answered = stage.kubernetes.items("simulations", "-l", _LABEL)
    show("\n" + render(answered))
    return course.claims(answered, scaling["scaleDownStabilizationSeconds"])


def _is_set(items: Items) -> bool:
    (twin,), (pool,) = names_of(_FOLDER, "twinmodel.yaml"), names_of(_FOLDER, "workerpool.yaml")
    ready = phase_of(find(items, "TwinModel", twin)) == "Ready"
    return ready and phase_of(find(items, "WorkerPool", pool)) == "Idle"


def _burst(stage: Stage, total: int, most: int) -> Course:
    """Ask everything at once, and show how the pool follows; give what was seen once it has no workers any more.

    Raises:
        CommandError: the questions could not be asked.
        DisappointedError: it took too long.
    """
    with _watching(stage) as eyes, ThreadPoolExecutor(1) as asking:
        stage.say("python -m demo.segments | kubectl create -f -\n")
        course = Course(total, time.time())
        asked = asking.submit(stage.kubernetes.kubectl, "create", "-f", "-", text=segments.manifests())
        with table(most, total) as draw:
            _follow(course, eyes, draw, asked)
    return course


@contextmanager
def _watching(stage: Stage) -> Iterator[_Eyes]:
    (pool,) = names_of(_FOLDER, "workerpool.yaml")
    kubernetes, ours = stage.kubernetes, ("-n", NAMESPACE)
    pods = ("pods", "-l", f"twinops.dev/pool={pool}", *ours)
    with (
        following(kubernetes, (".status",), "workerpools", pool, *ours) as of_pool,
        following(kubernetes, (".metadata.name", ".status.phase"), "simulations", "-l", _LABEL) as of_simulations,
        following(kubernetes, (".metadata.name", ".metadata.deletionTimestamp"), *pods) as of_pods,
    ):
        yield _Eyes(of_pool, of_simulations, of_pods)


def _follow(course: Course, eyes: _Eyes, draw: Draw, asked: Future[str]) -> None:
    deadline = time.monotonic() + _WITHIN
    while course.back is None:
        eyes.look(course)
        draw(course.moment(time.time()))
        if asked.done():
            asked.result()
        if time.monotonic() > deadline:
            raise DisappointedError(f"not seen within {_WITHIN:.0f} seconds: all answers, and a pool without workers")
        time.sleep(_POLL)
