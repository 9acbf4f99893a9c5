"""The two shapes of the HTTP API: a command comes in, a view goes out.

A command is validated from the bytes that arrived, in pydantic's strict JSON mode: `true` is no integer, `"3"` is no
number, while a time may be its RFC 3339 string and a tuple a JSON array. Unknown members are refused.
"""

from __future__ import annotations

from typing import Any, cast

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, core_schema


class JsonBytes(bytes):
    """A body that passed the strict JSON reader and is not parsed any further yet."""


class Command(BaseModel):
    """What a service is asked to do; it is the request body itself. Frozen, strict, without unknown members."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read `JsonBytes` in JSON mode wherever a command is validated, the framework's own call included."""
        found = handler(source)
        if found["type"] == "json-or-python":  # made before, and kept with the class
            return found
        model: dict[str, Any] = {**found}
        ref = model.pop("ref", None)  # moves out, so that a nested command stays one named schema

        def read(value: Any, inner: ValidatorFunctionWrapHandler) -> Any:
            return cls.__pydantic_validator__.validate_json(value) if isinstance(value, JsonBytes) else inner(value)

        python = core_schema.no_info_wrap_validator_function(read, cast("CoreSchema", model))
        return core_schema.json_or_python_schema(json_schema=cast("CoreSchema", model), python_schema=python, ref=ref)


class View(BaseModel):
    """What a service answers with. Frozen; its class is the answer's schema in the API documents."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
