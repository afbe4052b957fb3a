"""Parts that more than one kind's spec contains."""

from pydantic import Field

from twin_operator.api.v1alpha1.fields import ObjectName
from twin_operator.api.v1alpha1.schema import ApiModel


class TwinModelRef(ApiModel):
    """The TwinModel, in the same namespace, that this object is about."""

    name: ObjectName = Field(
        description="Name of the TwinModel. It may be created later: the object then waits for it."
    )
