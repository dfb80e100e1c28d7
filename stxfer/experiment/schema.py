"""The JSON schema of experiment files, for editors that complete and check them.

An experiment file may leave out what a file that it includes says, and ``null`` removes what that file says. So nothing
is required here, and everything may be ``null``; what the files say together is checked when they are read.
"""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from stxfer.experiment.declared import Declaration

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_INCLUDE = {"description": "Files, relative to this one, that are read first; what stands here overrides them.",
            "type": "array", "items": {"type": "string"}}
# Constraints that pydantic leaves under its own names where it converts a value before it checks it.
_KEYWORDS = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}


def experiment_schema() -> dict[str, Any]:
    """Return the schema (JSON Schema, draft 2020-12) that every experiment file follows, included ones too."""
    schema = TypeAdapter(Declaration).json_schema()
    _replace_schedules(schema["$defs"]["TrainDeclaration"])
    parts = schema["$defs"]["Init"]["properties"]["parts"]
    parts["anyOf"] = [parts["items"], {key: parts.pop(key) for key in ("type", "items", "minLength")}]
    schema = _partial(schema)
    schema["properties"] = {"include": _INCLUDE, **schema["properties"]}
    return {"$schema": DIALECT, "title": "stxfer experiment file", **schema}


def _replace_schedules(train: dict[str, Any]) -> None:
    """Schedules stand beside ``default`` in a file, whatever their names are."""
    train["properties"] = {"default": train["properties"]["default"]}
    train["additionalProperties"] = {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/Phase"}}


def _partial(node: Any) -> Any:
    """Return a schema whose objects may lack any key and hold ``null`` under it, and hold no unknown one."""
    if isinstance(node, list):
        return [_partial(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {_keyword(key, node): _partial(value) for key, value in node.items()
            if key not in ("required", "oneOf", "discriminator")}
    if "oneOf" in node:  # kinds of labels: what tells them apart may stand in an included file
        made["anyOf"] = _partial(node["oneOf"])
    for key in ("properties", "patternProperties"):
        if isinstance(node.get(key), dict) and node.get("type") == "object":
            made[key] = {name: _or_null(value) for name, value in made[key].items()}
            made.setdefault("additionalProperties", False)
    if isinstance(made.get("additionalProperties"), dict):
        made["additionalProperties"] = _or_null(made["additionalProperties"])
    return made


def _keyword(key: str, node: dict[str, Any]) -> str:
    if key == "minLength" and node.get("type") == "array":
        return "minItems"
    return _KEYWORDS.get(key, key) if node.get("type") in ("number", "integer") else key


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {key: schema[key] for key in ("description", "title") if key in schema}
    rest = {key: value for key, value in schema.items() if key not in ("description", "title", "default")}
    shown = {"default": schema["default"]} if "default" in schema else {}
    if rest.get("anyOf", [{}])[-1] == {"type": "null"}:
        return {**described, **shown, **rest}
    return {**described, **shown, "anyOf": [rest, {"type": "null"}]}
