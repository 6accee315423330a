"""Reads plain options without pydantic, which typer would import for it: half of its start-up.

Only what cannot be misread is read here: text for text, a flag for a flag, a choice
spelled as it is. For everything else, errors among it, typer's own reader is called. With a
typer that works in another way nothing happens, and only the time is lost.
"""

from __future__ import annotations

import enum
from typing import Any

try:
    from typer._coercion import RuntimeParam, build_runtime_param
except ImportError:
    RuntimeParam = None  # type: ignore[assignment, misc]


def prepare(command: Any) -> None:
    """Give the parameters of a command a quick reader, its --help among them."""
    if RuntimeParam is None:
        return
    usual = command.get_params

    def get_params(ctx: Any) -> Any:
        parameters = usual(ctx)
        for parameter in parameters:
            described = getattr(parameter, "type_descriptor", None)
            if described is not None and getattr(parameter, "_runtime_param", described) is None:
                parameter._runtime_param = Quick(described.parameter_info, described.annotation)
        return parameters

    command.get_params = get_params


if RuntimeParam is not None:

    class Quick(RuntimeParam):
        """A reader that hands over what it does not know at sight."""

        def _coerce_value(self, value: Any, param: Any, ctx: Any) -> Any:
            found = at_sight(value, self.annotation)
            if found is not None:
                return found
            return build_runtime_param(param.type_descriptor).coerce(value, param=param, ctx=ctx)


def at_sight(value: Any, wanted: Any) -> Any:
    """Return a value as the type that is wanted, or None where there is the least doubt."""
    if wanted in (str, bool):
        return value if type(value) is wanted else None
    if wanted == list[str] and isinstance(value, list | tuple):
        return list(value) if all(type(one) is str for one in value) else None
    if isinstance(wanted, type) and issubclass(wanted, enum.Enum):
        if type(value) is wanted:
            return value
        return next((one for one in wanted if one.value == value), None)
    return None
