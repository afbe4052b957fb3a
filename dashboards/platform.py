"""The dashboard of platform engineers: do pools follow their queues, how long does an answer take, is all well."""

from typing import Final

from dashboards.panels import Dashboard, Panel, Query, Row, stat

POOL: Final = 'namespace=~"$namespace", pool=~"$pool"'
ONE: Final = "{{namespace}}/{{pool}}"
UP: Final = {None: "red", 1: "green"}
YES_NO: Final = {"0": "no", "1": "yes"}
BAD_ABOVE_ZERO: Final = {None: "green", 1: "red"}
INTERVAL: Final = "$__rate_interval"


def of_pools(name: str, legend: str = ONE) -> Query:
    """Return the query of a figure of each pool."""
    return Query(f"max by (namespace, pool) (twinops_pool_{name}{{{POOL}}})", legend)


def of_queues(name: str) -> list[Query]:
    """Return the query of a figure of each queue."""
    return [Query(f"max by (namespace, pool, queue) (twinops_queue_{name}{{{POOL}}})", "{{queue}}")]


def rates(metric: str, by: str) -> list[Query]:
    """Return the query of a rate, by some labels."""
    legend = " ".join(f"{{{{{label}}}}}" for label in by.split(", "))
    return [Query(f"sum by ({by}) (rate({metric}[{INTERVAL}]))", legend)]


def percentile(share: float, histogram: str, by: str = "") -> Query:
    """Return the query of a percentile of a histogram, by a label or over all."""
    labels = f"{by}, le" if by else "le"
    legend = f"{{{{{by}}}}}" if by else f"p{100 * share:g}"
    return Query(f"histogram_quantile({share}, sum by ({labels}) (rate({histogram}_bucket[{INTERVAL}])))", legend)


GLANCE: Final = Row(
    "At a glance",
    [
        stat("Leader", "Whether an operator leads.", "max(twinops_leader)", thresholds=UP, words=YES_NO),
        stat("Redis", "Whether it answers the operator.", "max(twinops_redis_up)", thresholds=UP, words=YES_NO),
        stat("Archive", "Whether it answers the operator.", "min(twinops_archive_up)", thresholds=UP, words=YES_NO),
        stat(
            "Dead letters",
            "Messages that were set aside.",
            "max(twinops_dead_letters) or vector(0)",
            thresholds=BAD_ABOVE_ZERO,
        ),
        stat(
            "Lost messages in an hour",
            "They were published again.",
            "sum(increase(twinops_simulations_republished_total[1h]))",
            thresholds={None: "green", 10: "orange"},
        ),
        stat(
            "Version",
            "Of the operators; two at once while one replaces the other.",
            "count by (version) (twinops_build_info)",
            legend="{{version}}",
        ),
    ],
)

POOLS: Final = Row(
    "Worker pools and their queues",
    [
        Panel("Queue depth", "Tasks that wait, over all priorities.", of_queues("depth")),
        Panel(
            "Oldest message",
            "How long it waits.",
            of_queues("oldest_seconds"),
            "s",
            thresholds={None: "green", 900: "red"},
        ),
        Panel("Running", "Tasks that workers run.", [of_pools("running_tasks")]),
        Panel(
            "Replicas",
            "Wanted, ready and at most.",
            [
                of_pools("desired_replicas", f"{ONE} wanted"),
                of_pools("ready_replicas", f"{ONE} ready"),
                of_pools("max_replicas", f"{ONE} at most"),
            ],
            width=12,
        ),
        Panel(
            "Time to drain",
            "Until all that waits is taken up, with the workers wanted.",
            [of_pools("drain_seconds")],
            "s",
            width=12,
        ),
        Panel("Arrivals", "Tasks per second, smoothed.", of_queues("arrivals_per_second"), "ops"),
        Panel(
            "Seconds a task",
            "What one takes, smoothed: the autoscaler reckons with it.",
            of_queues("seconds_per_task"),
            "s",
        ),
        Panel(
            "Scalings",
            "Changes of the number of workers wanted, an hour. Many in both directions are flapping.",
            [
                Query(
                    f"sum by (namespace, pool, direction) (increase(twinops_pool_scalings_total{{{POOL}}}[1h]))",
                    f"{ONE} {{{{direction}}}}",
                )
            ],
        ),
        Panel(
            "Follows its queues",
            "0: the queues cannot be read, and replicas are held.",
            [of_pools("scaling_active")],
            width=12,
            limits=(0, 1),
        ),
        Panel(
            "At its limit",
            "1 while a pool may not have the workers that its queues ask for.",
            [Query(f"max by (namespace, pool, reason) (twinops_pool_limited{{{POOL}}})", f"{ONE} {{{{reason}}}}")],
            width=12,
            limits=(0, 1),
        ),
    ],
)

ANSWERS: Final = Row(
    "Simulations",
    [
        Panel(
            "From creation to answer",
            "As users see it, from the object's creation to its status.",
            [percentile(share, "twinops_simulation_duration_seconds") for share in (0.5, 0.95, 0.99)],
            "s",
        ),
        Panel(
            "Wait in queue, 95th percentile",
            "From queueing to the start of the last attempt.",
            [percentile(0.95, "twinops_simulation_queue_wait_seconds", "queue")],
            "s",
        ),
        Panel("Ended", "Per second, by phase.", rates("twinops_simulations_finished_total", "phase"), "ops"),
        Panel(
            "On their way",
            "Simulations that are not finished, whatever they wait for.",
            [Query("max(twinops_simulations_unfinished)", "unfinished")],
        ),
        Panel(
            "Oldest on its way",
            "Since when the operator follows it; one that waits for its model may well be days old.",
            [Query("max(twinops_simulations_oldest_seconds)", "oldest")],
            "s",
        ),
        Panel(
            "Messages",
            "Published for Simulations; those published again had been lost.",
            [
                Query(f"sum(rate(twinops_simulations_published_total[{INTERVAL}]))", "published"),
                Query(f"sum(rate(twinops_simulations_republished_total[{INTERVAL}]))", "published again"),
            ],
            "ops",
        ),
    ],
)

TASKS: Final = Row(
    "Celery's tasks (needs events.enabled)",
    [
        Panel(
            "Run time, 95th percentile", "By tier of worker.", [percentile(0.95, "celery_task_runtime", "tier")], "s"
        ),
        Panel(
            "Time in queue, 95th percentile",
            "From sending to start.",
            [percentile(0.95, "celery_task_queue_wait_time", "queue_name")],
            "s",
        ),
        Panel("Succeeded", "Per second, by task.", rates("celery_task_succeeded_total", "name"), "ops"),
        Panel(
            "Not succeeded",
            "Per second: failed, retried, rejected (leased by another worker, or done) and revoked.",
            [
                Query(f"sum(rate(celery_task_{state}_total[{INTERVAL}]))", state)
                for state in ("failed", "retried", "rejected", "revoked")
            ],
            "ops",
        ),
        Panel(
            "Workers",
            "Workers with heartbeats, by tier.",
            [Query("sum by (tier) (celery_worker_up)", "{{tier}}")],
        ),
        Panel(
            "Running tasks of Celery workers",
            "By tier of worker.",
            [Query("sum by (tier) (celery_worker_tasks_active)", "{{tier}}")],
        ),
    ],
)

OPERATOR: Final = Row(
    "Operator",
    [
        Panel(
            "Reconciliations",
            "Per second, by kind and result.",
            rates("twinops_reconciles_total", "kind, result"),
            "ops",
        ),
        Panel(
            "Duration of reconciliations, 95th percentile",
            "By kind.",
            [percentile(0.95, "twinops_reconcile_duration_seconds", "kind")],
            "s",
        ),
        Panel(
            "Requests sent again",
            "To the API server, per second; 429 is its priority and fairness, 0 is no answer.",
            rates("twinops_api_retries_total", "method, status"),
            "ops",
        ),
        Panel(
            "Waiting for the archive",
            "Finished Simulations, in Redis.",
            [Query("max(twinops_archive_waiting_entries)", "entries")],
            width=12,
            thresholds={None: "green", 1000: "orange"},
        ),
        Panel(
            "Dead letters",
            "Set aside per second, by reason.",
            rates("twinops_dead_letters_total", "reason"),
            "ops",
            width=12,
        ),
    ],
)

PLATFORM: Final = Dashboard(
    uid="twin-operator-platform",
    title="Twins: operator and worker pools",
    about="Queues, worker pools, the time to an answer, and the operator itself.",
    variables={
        "namespace": "label_values(twinops_pool_replicas, namespace)",
        "pool": 'label_values(twinops_pool_replicas{namespace=~"$namespace"}, pool)',
    },
    rows=[GLANCE, POOLS, ANSWERS, TASKS, OPERATOR],
)
