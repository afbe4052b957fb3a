"""A model, its jobs, people, workers, a forgetful Redis and a clock, in any order: what must never happen does not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.unit.services.retraining.resources import retraining_job, twin_model
from twin_operator.api.v1alpha1 import RetrainingJob, TwinModel
from twin_operator.api.v1alpha1.conditions import Reason, RetrainingJobPhase
from twin_operator.api.v1alpha1.retraining_job import Approval
from twin_operator.api.v1alpha1.twin_model_status import RetrainingState
from twin_operator.services.retraining.jobs import count_finished_jobs, next_turn
from twin_operator.services.retraining.plan import plan
from twin_operator.services.retraining.state import JobSnapshot, Work
from twin_operator.services.runs.run import Outcome, Run
from twin_operator.services.runs.times import timestamp

HOUR = 3600.0
COOLDOWN = 24 * HOUR
MOST_JOBS = 6
JANE = Approval(approved=True, by="jane")


class Retraining(RuleBasedStateMachine):
    """One model; every reconciliation reads what was written last, as optimistic concurrency makes it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_800_000_000.0
        self.jobs: dict[str, RetrainingJob] = {}
        self.runs: dict[str, Run] = {}
        self.retraining = RetrainingState()
        self.champion = "1"
        self.versions = 1
        self.made = 0
        self.verdicts: dict[str, bool] = {}
        self.suspended = False

    def model(self) -> TwinModel:
        """The TwinModel."""
        status = {"model": {"version": self.champion}, "retraining": self.retraining}
        return twin_model(status=status, retraining={"cooldown": "24h", "suspend": self.suspended})

    def unfinished(self) -> list[str]:
        """Names of the jobs that have not ended."""
        return [name for name, job in self.jobs.items() if not job.status.phase.finished]

    def has_unfinished(self) -> bool:
        return bool(self.unfinished())

    @precondition(lambda self: len(self.jobs) < MOST_JOBS)
    @rule(override=st.booleans(), approved=st.booleans())
    def create(self, *, override: bool, approved: bool) -> None:
        self.made += 1
        name = f"job-{self.made}"
        created = timestamp(self.now) or ""
        self.jobs[name] = retraining_job(name, created=created, overrideCooldown=override)
        if approved:
            self.change(name, approval=JANE)

    @precondition(has_unfinished)
    @rule(data=st.data(), approved=st.booleans())
    def decide(self, data: Any, *, approved: bool) -> None:
        name = data.draw(st.sampled_from(self.unfinished()))
        if self.jobs[name].spec.approval is None:
            self.change(name, approval=Approval(approved=approved, by="jane"))

    @precondition(has_unfinished)
    @rule(data=st.data())
    def cancel(self, data: Any) -> None:
        self.change(data.draw(st.sampled_from(self.unfinished())), cancel=True)

    def change(self, name: str, **spec: Any) -> None:
        """A user changes the spec of a job."""
        job = self.jobs[name]
        self.jobs[name] = job.replace(spec=job.spec.replace(**spec))

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def delete(self, data: Any) -> None:
        """A job goes; its name is not used again."""
        name = data.draw(st.sampled_from(sorted(self.jobs)))
        if self.jobs[name].status.phase.finished or data.draw(st.booleans()):
            self.reconcile_model()
            self.jobs.pop(name)

    @rule(hours=st.sampled_from([0.01, 1.0, 12.0, 25.0]))
    def wait(self, hours: float) -> None:
        self.now += hours * HOUR

    @rule()
    def toggle_suspension(self) -> None:
        self.suspended = not self.suspended

    @rule()
    def redis_forgets(self) -> None:
        self.runs = {}

    @precondition(has_unfinished)
    @rule(data=st.data(), well=st.booleans())
    def train(self, data: Any, *, well: bool) -> None:
        """A worker ends the training of a job that is at it."""
        name = data.draw(st.sampled_from(self.unfinished()))
        if self.jobs[name].status.phase is not RetrainingJobPhase.TRAINING:
            return
        self.versions += 1
        value = {"version": str(self.versions), "plan": {"specDigest": "s", "dataDigest": "d"}}
        outcome = Outcome(Reason.SUCCEEDED, "", value) if well else Outcome(Reason.DATA_INVALID, "No rows.")
        self.runs[f"{name}-train"] = Run(attempts=1, outcome=outcome)

    @precondition(has_unfinished)
    @rule(data=st.data(), better=st.booleans())
    def compare(self, data: Any, *, better: bool) -> None:
        """A worker ends the comparison of a job that is at it; the same comparison always ends the same."""
        name = data.draw(st.sampled_from(self.unfinished()))
        status = self.jobs[name].status
        if status.phase is not RetrainingJobPhase.VALIDATING:
            return
        assert status.candidate is not None
        assert status.champion is not None
        candidate = str(status.candidate.version)
        passed = self.verdicts.setdefault(candidate, better)
        sides = {
            "candidate": {"version": candidate, "loss": 0.4},
            "champion": {"version": status.champion.version, "loss": 0.5},
        }
        outcome = Outcome(Reason.SUCCEEDED, "", {**sides, "gate": {"passed": passed, "message": "."}})
        self.runs[f"{name}-validate"] = Run(attempts=1, outcome=outcome)

    @precondition(has_unfinished)
    @rule(data=st.data(), crash=st.booleans())
    def reconcile_job(self, data: Any, *, crash: bool) -> None:
        """The operator brings a job a step further, and may be killed between promotion and status."""
        self.step(data.draw(st.sampled_from(self.unfinished())), crash=crash)

    @rule()
    def settle(self) -> None:
        """The operator brings everything as far as it goes without people and workers."""
        for _ in range(3):
            self.reconcile_model()
            for name in self.unfinished():
                self.step(name, crash=False)
        self.reconcile_model()

    @precondition(lambda self: len(self.jobs) < MOST_JOBS)
    @rule(data=st.data())
    def run_through(self, data: Any) -> None:
        """A job goes all the way in one step: what comes after it is what is tried."""
        self.create(override=data.draw(st.booleans()), approved=True)
        for _ in range(2):
            self.settle()
            for name in self.unfinished():
                if self.jobs[name].status.phase is RetrainingJobPhase.TRAINING:
                    value = {"version": "99", "plan": {"specDigest": "s", "dataDigest": "d"}}
                    self.runs[f"{name}-train"] = Run(attempts=1, outcome=Outcome(Reason.SUCCEEDED, "", value))
                elif self.jobs[name].status.phase is RetrainingJobPhase.VALIDATING:
                    sides = {"candidate": {"version": "99"}, "champion": {"version": "1"}}
                    gate = {**sides, "gate": {"passed": False, "message": "."}}
                    self.runs[f"{name}-validate"] = Run(attempts=1, outcome=Outcome(Reason.SUCCEEDED, "", gate))
        self.settle()

    def step(self, name: str, *, crash: bool) -> None:
        """Plan and carry out what is next for a job."""
        job = self.jobs[name]
        training, comparison = (Work(self.runs.get(f"{name}-{work}", Run())) for work in ("train", "validate"))
        decision = plan(JobSnapshot(job, self.model(), training, comparison, champion=self.champion), self.now)
        before = job.status.phase
        if decision.promote is not None:
            assert self.verdicts[decision.promote]
            self.champion = decision.promote
            if crash:
                return
        self.jobs[name] = job.replace(status=decision.status)
        if decision.status.phase is RetrainingJobPhase.TRAINING and not before.running:
            self.check_start(job)

    def check_start(self, job: RetrainingJob) -> None:
        """No start without approval, none in a cool-down without an override, none while retraining is held."""
        assert job.spec.override_cooldown or self.cooled(self.retraining)
        assert job.spec.approval == JANE
        assert not self.suspended

    def cooled(self, state: RetrainingState) -> bool:
        """Whether the cool-down is over."""
        last = state.last_finished_time
        return last is None or self.now >= last.timestamp() + COOLDOWN

    @rule()
    def reconcile_model(self) -> None:
        """The operator counts jobs that ended, and chooses the one that may run."""
        jobs = list(self.jobs.values())
        holder = self.retraining.active_job
        gone = {holder} - set(self.jobs) if holder else set()
        state = count_finished_jobs(self.retraining, jobs)
        turn = next_turn(jobs, holder, gone, cooled=self.cooled(state))
        self.retraining = state.replace(active_job=turn)

    @invariant()
    def one_job_works_at_a_time(self) -> None:
        assert len([job for job in self.jobs.values() if job.status.phase.running]) <= 1

    @invariant()
    def a_job_that_cools_down_keeps_nobody_from_work(self) -> None:
        holder = self.jobs.get(self.retraining.active_job or "")
        assert holder is None or holder.status.phase is not RetrainingJobPhase.COOLING_DOWN

    @invariant()
    def a_worse_model_never_serves(self) -> None:
        assert self.champion == "1" or self.verdicts[self.champion]


TestRetraining = pytest.mark.learner(Retraining.TestCase)
TestRetraining.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
