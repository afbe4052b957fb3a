"""A plugin of mypy: `ApiModel.replace` takes the fields of its model, by name and with their types.

mypy knows this of `dataclasses.replace`. Without it a misspelt field of a status would be found by no check.
"""

from collections.abc import Callable

from mypy.nodes import ARG_NAMED_OPT, ARG_STAR2
from mypy.plugin import MethodSigContext, Plugin
from mypy.types import CallableType, FunctionLike, Instance, get_proper_type

BASE = "twin_operator.api.v1alpha1.schema.ApiModel"


class ApiModelPlugin(Plugin):
    """Gives `replace` the signature of the constructor, with every argument optional."""

    def get_method_signature_hook(self, fullname: str) -> Callable[[MethodSigContext], FunctionLike] | None:
        """Return the hook for `replace` of any class; which classes it concerns is known when it is called."""
        return _signature if fullname.endswith(".replace") else None


def _signature(context: MethodSigContext) -> FunctionLike:
    model = get_proper_type(context.type)
    if not isinstance(model, Instance) or not model.type.has_base(BASE):
        return context.default_signature
    constructor = model.type.get_method("__init__")
    signature = constructor and get_proper_type(constructor.type)
    if not isinstance(signature, CallableType):
        return context.default_signature
    fields = [
        (name, kind)
        for name, kind, of in zip(signature.arg_names, signature.arg_types, signature.arg_kinds, strict=True)
        if name and name != "self" and not name.startswith("__") and of != ARG_STAR2
    ]
    return context.default_signature.copy_modified(
        arg_types=[kind for _, kind in fields],
        arg_kinds=[ARG_NAMED_OPT] * len(fields),
        arg_names=[name for name, _ in fields],
        ret_type=model,
    )


def plugin(_version: str) -> type[Plugin]:
    """Return the plugin for this version of mypy."""
    return ApiModelPlugin
