"""The hot path of the operator, built on ports: from Simulations to messages and statuses."""

from twin_operator.services.operator import FinishedSimulations
from twin_operator.services.reconciling.queue import Pace
from twin_operator.services.reconciling.window import Bound, PublicationWindow, QueueLimits
from twin_operator.services.simulations.admission import Admission, NamespaceLimits
from twin_operator.services.simulations.answers import Answers
from twin_operator.services.simulations.controller import Simulations
from twin_operator.services.simulations.publication import Publication
from twin_operator.services.simulations.reception import Reception
from twin_operator.services.simulations.resolution import Resolution
from twin_operator.services.twin_models.registry_upkeep import RegistryUpkeep
from twin_operator.services.versions import Twins
from twin_operator.wiring.operator_ports import Shared


def build_simulations(
    shared: Shared, twins: Twins, registry: RegistryUpkeep, finished: FinishedSimulations
) -> Simulations:
    """Build the hot path."""
    meters = shared.metrics.simulations
    answers = Answers(
        resources=shared.resources,
        pace=Pace(shared.settings.second_writes_per_second),
        clock=shared.clock,
        meters=meters,
        twins=twins,
        on_finish=finished.take,
        on_trace=shared.traces.simulation_ended,
    )
    simulations = Simulations(
        queue=shared.ports.queue,
        resources=shared.resources,
        twins=twins,
        resolution=Resolution(twins),
        answers=answers,
        clock=shared.clock,
        second_write_seconds=shared.settings.second_write_seconds,
        meters=meters,
        publication=_publication(shared, twins, finished),
        served=shared.requests.pools.serves,
        version_gone=registry.version_gone,
    )
    meters.follow(answers.unfinished, answers.oldest)
    return simulations


def _publication(shared: Shared, twins: Twins, finished: FinishedSimulations) -> Publication:
    settings = shared.settings
    bound = Bound(settings.published_runs_per_queue, settings.published_bytes_per_queue)
    return Publication(
        queue=shared.ports.queue,
        twins=twins,
        meters=shared.metrics.simulations,
        clock=shared.clock,
        on_weights=finished.archiving.weights,
        window=PublicationWindow(QueueLimits(queue=bound, namespace=bound)),
        batch_bytes=settings.batch_bytes,
    )


def build_reception(shared: Shared, simulations: Simulations) -> Reception:
    """Build what lets Simulations in."""
    settings = shared.settings
    limits = NamespaceLimits(
        settings.waiting_runs_per_namespace, settings.waiting_bytes_per_namespace, settings.waiting_bytes
    )
    return Reception(
        resources=shared.resources,
        simulations=simulations,
        admission=Admission(limits),
        pace=simulations.answers.pace,
        clock=shared.clock,
    )
