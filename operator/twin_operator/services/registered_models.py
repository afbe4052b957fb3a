"""Which TwinModels own their registered models, by MLflow's last answer: read before a version is bound to a run.

The rule is in `reconciling.ownership`. A registry that does not answer changes nothing of what is known.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from twin_operator.api.v1alpha1 import TwinModel
from twin_operator.api.v1alpha1.conditions import ConditionType, Reason
from twin_operator.services.reconciling.active_version import names_other_namespace, owner_tag, registered_model, serves
from twin_operator.services.reconciling.ownership import ownership
from twin_operator.services.reconciling.ports import Versions

logger = logging.getLogger(__name__)
Key = tuple[str, str]
FRESH_SECONDS: Final = 10.0  # for which an answer of the registry is used again
NOT_CHECKED: Final = "The owner of the registered model has not been read yet."
OTHER_NAMESPACE: Final = "It has a spec.registeredModel of another namespace."


@dataclass(frozen=True)
class _Known:
    """What is known of the registered model of a TwinModel.

    Attributes:
        owner: the owner tag of the TwinModel that was checked.
        name: of the registered model.
        refusal: why it may not be used.
        certain: whether the registry or the status has it; False for a TwinModel that was never checked.
        read: when the registry was asked last, seconds since the epoch.
        marked: when another read was requested last.
    """

    owner: str
    name: str
    refusal: str | None
    certain: bool
    read: float
    marked: float = 0.0


@dataclass
class RegisteredModels:
    """Knows of each TwinModel whether it owns its registered model.

    Args:
        registry: has the owner tags.
        cluster: uid of the cluster.
        clock: seconds since the epoch.
        mark: requests to reconcile a TwinModel soon, which checks it again.
    """

    registry: Versions
    cluster: str
    clock: Callable[[], float]
    mark: Callable[[Key], None]
    _known: dict[Key, _Known] = field(default_factory=dict)
    _holders: dict[tuple[str, Key], tuple[bool, float]] = field(default_factory=dict)

    def refusal(self, model: TwinModel) -> str | None:
        """Return why a TwinModel may not use its registered model now; None where it may. Waits for nothing.

        What was read a while ago is read again in the background.
        """
        if names_other_namespace(model):
            return OTHER_NAMESPACE
        known = self._of(model)
        if known is None:
            self.mark(model.key)
            return NOT_CHECKED
        if not self._fresh(max(known.read, known.marked)):
            self._known[model.key] = replace(known, marked=self.clock())
            self.mark(model.key)
        return known.refusal if known.certain else NOT_CHECKED

    async def check(self, model: TwinModel, *, now: bool = False) -> str | None:
        """Return why a TwinModel may not use its registered model, as the registry has it; claim it where it may.

        None also while that was never known: a worker asks again before it registers a version.

        Args:
            model: whose `spec.registeredModel` has no other namespace.
            now: whether an answer of a moment ago does not do, as before a write.
        """
        known = self._of(model)
        if known is not None and not now and self._fresh(known.read):
            return known.refusal
        owner, name = owner_tag(model, self.cluster), registered_model(model)
        try:
            found = await self.registry.claim(name, owner)
        except ConnectionError as error:
            logger.warning("The owner of %s in the registry is not known: %s", name, error)
            last = known if known is not None else _as_before(model, owner)
        else:
            refusal = None if found is None else ownership(name, found.tags, owner).refusal
            last = _Known(owner, name, refusal, certain=True, read=0.0)
        self._known[model.key] = replace(last, read=self.clock())
        return last.refusal

    async def holds(self, twin: Key, name: str) -> bool:
        """Return whether a registered model is of a TwinModel, which need not exist any more: for its outcomes.

        While the registry does not answer, its last answer counts, and else whether the name is the twin's own.
        """
        known = self._holders.get((name, twin))
        if known is not None and self._fresh(known[1]):
            return known[0]
        try:
            found = await self.registry.registered_model(name)
        except ConnectionError:
            return known[0] if known is not None else name == ".".join(twin)
        owner = "/".join((self.cluster, *twin, ""))
        own = _is_free(twin, name) if found is None else ownership(name, found.tags, owner).refusal is None
        self._holders[(name, twin)] = own, self.clock()
        return own

    def forget(self, key: Key) -> None:
        """Drop what is known of a TwinModel that was deleted."""
        self._known.pop(key, None)

    def _of(self, model: TwinModel) -> _Known | None:
        known = self._known.get(model.key)
        same = (owner_tag(model, self.cluster), registered_model(model))
        return known if known is not None and (known.owner, known.name) == same else None

    def _fresh(self, read: float) -> bool:
        return self.clock() < read + FRESH_SECONDS


def _is_free(twin: Key, name: str) -> bool:
    """Whether a registered model that does not exist could be the twin's: its name has no other namespace."""
    return "." not in name or name.partition(".")[0] == twin[0]


def _as_before(model: TwinModel, owner: str) -> _Known:
    """Return what the status says: a version that became active under the present name was owned then."""
    name, stalled = registered_model(model), model.status.condition(ConditionType.STALLED)
    taken = stalled.message if stalled is not None and stalled.reason == Reason.REGISTERED_MODEL_TAKEN else None
    owned = serves(model) and model.status.registered_model == name
    return _Known(owner, name, taken, certain=owned or taken is not None, read=0.0)
