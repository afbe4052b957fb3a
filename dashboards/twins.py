"""The dashboard of data scientists: are the twins right, what do they recommend, and how do retrainings go."""

from typing import Final

from dashboards.panels import Dashboard, Panel, Query, Row, stat

MODEL: Final = 'namespace=~"$namespace", model=~"$model"'
SPACE: Final = 'namespace=~"$namespace"'
ONE: Final = "{{namespace}}/{{model}}"
BAD_ABOVE_ZERO: Final = {None: "green", 1: "red"}


def of_models(metric: str) -> list[Query]:
    """Return the query of a figure of each model."""
    return [Query(f"max by (namespace, model) ({metric}{{{MODEL}}})", ONE)]


def counted(metric: str, labels: str, by: str, *, window: str = "$__interval") -> list[Query]:
    """Return the query of what was counted within a window, by some labels."""
    legend = " ".join(f"{{{{{label}}}}}" for label in by.split(", "))
    return [Query(f"sum by ({by}) (increase({metric}{{{labels}}}[{window}]))", legend)]


GLANCE: Final = Row(
    "At a glance",
    [
        stat(
            "Twins that serve",
            "TwinModels in phase Ready or Degraded.",
            f'sum(twinops_models_phase{{{SPACE}, phase=~"Ready|Degraded"}})',
        ),
        stat(
            "Twins that failed",
            "TwinModels that cannot be trained; their condition Ready says what to change.",
            f'sum(twinops_models_phase{{{SPACE}, phase="Failed"}}) or vector(0)',
            thresholds=BAD_ABOVE_ZERO,
        ),
        stat(
            "Unfaithful twins",
            "They miss outcomes by more than chance explains.",
            f"count(max by (namespace, model) (twinops_model_faithful{{{MODEL}}}) == 0) or vector(0)",
            thresholds=BAD_ABOVE_ZERO,
        ),
        stat(
            "Wait for approval",
            "Models of which a retraining waits for approval: kubectl twin approve, or reject.",
            f"count(twinops_model_approval_waiting_since_timestamp_seconds{{{MODEL}}}) or vector(0)",
            thresholds={None: "green", 1: "orange"},
        ),
        stat(
            "Outcomes not graded yet",
            "They wait for the archive, or for a version that can be read.",
            "max(twinops_outcomes_waiting)",
            thresholds={None: "green", 1: "orange"},
        ),
        stat(
            "Questions in 24 hours",
            "Simulations that were answered.",
            f'sum(increase(twinops_simulations_finished_total{{{SPACE}, phase="Succeeded"}}[24h]))',
        ),
    ],
)

FIDELITY: Final = Row(
    "Fidelity: were the twins right?",
    [
        Panel(
            "Fidelity score",
            "0 to 1, of the version that serves; 0.7 is the default threshold.",
            of_models("twinops_model_fidelity_score"),
            "percentunit",
            thresholds={None: "red", 0.7: "green"},
            limits=(0, 1),
        ),
        Panel(
            "Relative error",
            "Of predictions, beyond the noise of the outcomes themselves; 0.25 is the default limit.",
            of_models("twinops_model_fidelity_mean_relative_error"),
            "percentunit",
            thresholds={None: "green", 0.25: "red"},
        ),
        Panel(
            "Coverage of intervals",
            "Share of outcomes inside their predicted 95 % intervals; 0.8 is the default limit.",
            of_models("twinops_model_fidelity_coverage"),
            "percentunit",
            thresholds={None: "red", 0.8: "green"},
            limits=(0, 1),
        ),
        Panel(
            "Bias",
            "Mean of observed less predicted effects, in the outcome's units: which way a twin errs.",
            of_models("twinops_model_fidelity_bias"),
            "none",
            limits=(None, None),
        ),
        Panel(
            "How much experiments differ",
            "Median standard deviation of true effects between experiments, in the outcome's units.",
            of_models("twinops_model_fidelity_between_experiment_sd"),
            "none",
        ),
        Panel(
            "Outcomes in the window",
            "By these a twin is judged; a promotion begins a new window.",
            of_models("twinops_model_fidelity_validations"),
        ),
        Panel(
            "Faithful",
            "The condition Faithful: 0 is False; 1 is True, or not known yet.",
            of_models("twinops_model_faithful"),
            width=12,
            limits=(0, 1),
        ),
        Panel(
            "Outcomes graded",
            "Per day, by grade.",
            counted("twinops_outcomes_graded_total", MODEL, "grade", window="1d"),
            width=12,
            stacked=True,
        ),
    ],
)

QUESTIONS: Final = Row(
    "Questions and recommendations",
    [
        Panel(
            "Recommendations",
            "Deploy, Skip or Refine.",
            counted("twinops_recommendations_total", SPACE, "action", window="1h"),
            stacked=True,
        ),
        Panel(
            "Why",
            "Reasons of the recommendations. NotCalibrated: the twin has seen too few experiments.",
            counted("twinops_recommendations_total", SPACE, "reason", window="1h"),
            stacked=True,
        ),
        Panel(
            "Questions without an answer",
            "Simulations that failed, by reason.",
            counted("twinops_simulations_finished_total", f'{SPACE}, phase="Failed"', "reason", window="1h"),
            stacked=True,
        ),
    ],
)

RETRAINING: Final = Row(
    "Retraining and approvals",
    [
        Panel(
            "RetrainingJobs, by phase",
            "Those that ended stay until their TTL.",
            [Query(f"sum by (phase) (twinops_retraining_jobs_phase{{{SPACE}}})", "{{phase}}")],
            stacked=True,
        ),
        Panel(
            "Results of retrainings",
            "Per day, by trigger and result. NotBetter: the gate kept the version that serves.",
            counted("twinops_retraining_jobs_total", MODEL, "trigger, result", window="1d"),
            stacked=True,
        ),
        Panel(
            "Waiting for approval",
            "For how long; kubectl get retrainingjobs names the job.",
            [
                Query(
                    "time() - min by (namespace, model) "
                    f"(twinops_model_approval_waiting_since_timestamp_seconds{{{MODEL}}})",
                    ONE,
                )
            ],
            "s",
            thresholds={None: "green", 86400: "orange"},
        ),
        Panel(
            "Without promotion, in a row",
            "Retrainings that failed, were rejected or not promoted; after maxAttempts (3) none is made any more.",
            of_models("twinops_model_retraining_failed_attempts"),
            thresholds={None: "green", 2: "orange", 3: "red"},
        ),
        Panel(
            "At work", "1 while a job works on a model.", of_models("twinops_model_retraining_active"), limits=(0, 1)
        ),
        Panel(
            "Since the last retraining",
            "Time since the last one ended, with any result.",
            [
                Query(
                    "time() - max by (namespace, model) "
                    f"(twinops_model_retraining_last_finished_timestamp_seconds{{{MODEL}}})",
                    ONE,
                )
            ],
            "s",
        ),
        Panel(
            "Version that serves",
            "Steps are promotions and rollbacks.",
            of_models("twinops_model_version"),
            "none",
            width=12,
        ),
        Panel(
            "First trainings",
            "Per day, by result.",
            counted("twinops_model_trainings_total", MODEL, "reason", window="1d"),
            width=12,
            stacked=True,
        ),
    ],
)

TWINS: Final = Dashboard(
    uid="twin-operator-twins",
    title="Twins",
    about="Fidelity, drift, recommendations, retraining and approvals of TwinModels.",
    variables={
        "namespace": "label_values(twinops_models_phase, namespace)",
        "model": 'label_values(twinops_model_faithful{namespace=~"$namespace"}, model)',
    },
    rows=[GLANCE, FIDELITY, QUESTIONS, RETRAINING],
)
