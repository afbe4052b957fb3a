"""The generator of our CRDs, and of the policy on guarded fields, from the pydantic models in ``api``.

How a model becomes a manifest belongs here. What a field means, its bounds, rules and columns are
declared next to the models.
"""

from twin_operator.crdgen.definition import generate
from twin_operator.crdgen.structural import UntranslatableSchemaError, structural_schema

__all__ = ["UntranslatableSchemaError", "generate", "structural_schema"]
