"""The form of the messages between operator and workers: JSON under the names that every release uses.

Fields that a newer release added are ignored, so that a message of another release is understood.
"""

from dataclasses import asdict
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainSerializer

from twin_operator.api.v1alpha1.schema import wire_name
from twin_operator.domain.table.columns import Uncertainty
from twin_operator.services.runs.run import JSON

WireUncertainty = Annotated[Uncertainty, PlainSerializer(asdict)]
"""`spec.uncertainty`, under the domain's names of its fields."""


class Message(BaseModel):
    """A part of a message: immutable, read leniently, written under the names of the API."""

    model_config = ConfigDict(
        alias_generator=wire_name,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        frozen=True,
        extra="ignore",
        ser_json_inf_nan="constants",  # degrees of freedom may be infinite, and a measured loss not a number
    )

    def wire(self) -> JSON:
        """Return the JSON that travels."""
        return self.model_dump(mode="json")
