"""Which TwinModel a registered model belongs to, by its tags alone: one rule for workers and for the operator. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from twin_operator.services.reconciling.version_tags import ADOPT, OWNER


@dataclass(frozen=True)
class Ownership:
    """Whether a TwinModel may use a registered model.

    Attributes:
        refusal: why not, a sentence for the user; None where it may.
        write_owner: whether the owner tag is to be written first.
        remove_adopt: whether the tag `twinops.adopt` was used, and is to be removed.
    """

    refusal: str | None = None
    write_owner: bool = False
    remove_adopt: bool = False

    @property
    def settled(self) -> bool:
        """Whether no tag is to be changed."""
        return not (self.write_owner or self.remove_adopt)


def ownership(name: str, tags: Mapping[str, str], owner: str) -> Ownership:
    """Decide whether a registered model belongs to a TwinModel.

    It does where its owner tag has the cluster, namespace and name of the TwinModel; an older uid of the same name is
    replaced. Without our tag, or with the tag of another TwinModel or another cluster, an administrator has to name
    the TwinModel in the tag `twinops.adopt` first.

    Args:
        name: of the registered model, for the sentence.
        tags: of an existing registered model.
        owner: `CLUSTER/NAMESPACE/NAME/UID` of the TwinModel.
    """
    holder, identity = tags.get(OWNER), owner.rpartition("/")[0]
    adopted = tags.get(ADOPT) == identity.partition("/")[2]
    if adopted or (holder is not None and holder.rpartition("/")[0] == identity):
        return Ownership(write_owner=holder != owner, remove_adopt=adopted)
    return Ownership(refusal=_refusal(name, holder, identity.partition("/")[2]))


def _refusal(name: str, holder: str | None, twin: str) -> str:
    whose = f"has no tag {OWNER}" if holder is None else f"belongs to {holder.rpartition('/')[0]}"
    return (
        f"The registered model {name} {whose}; choose another spec.registeredModel, or have an administrator of MLflow "
        f"set its tag {ADOPT} to {twin}."
    )
