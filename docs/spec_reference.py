"""Writes docs/reference/defs-yaml.md, the page of all `defs.yaml` keys, from the models that validate them."""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from mlops_assets.core.product_spec import ProductSpec

JsonSchema = Mapping[str, Any]

HEADER = """\
# Keys of defs.yaml

Made from `mlops_assets/core/product_spec.py` by
`python docs/spec_reference.py > docs/reference/defs-yaml.md`.

A file has two keys: `type: mlops_assets.components.model_product.ModelProduct`, and `attributes`, which holds the
keys of [ProductSpec](#productspec). An unknown key or a wrong value is an error that names file, line and key.
"""
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def spec_reference() -> str:
    """Return the page as Markdown: one table per section, sections in the order in which they are first named."""
    schema = ProductSpec.model_json_schema()
    definitions: dict[str, JsonSchema] = schema.pop("$defs")
    sections: dict[str, JsonSchema] = {"ProductSpec": schema}
    waiting = list(_references(schema))
    while waiting:
        name = waiting.pop(0)
        if name not in sections:
            sections[name] = definitions[name]
            waiting += _references(definitions[name])
    return "\n".join([HEADER, *(_section(name, section) for name, section in sections.items())])


def _section(name: str, schema: JsonSchema) -> str:
    required = schema.get("required", [])
    lines = [
        f"## {name}",
        "",
        schema["description"],
        "",
        "| key | value | default | meaning |",
        "|---|---|---|---|",
    ]
    for key, field in schema["properties"].items():
        cells = (
            f"`{key}`",
            _type(field),
            _default(field, is_required=key in required),
            _cell(field.get("description", "")),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _type(field: JsonSchema) -> str:
    """The value in words: a link to its section, its choices, or its type with bounds."""
    if "$ref" in field:
        name = _referenced(field["$ref"])
        return f"[{name}](#{name.lower()})"
    options = field.get("anyOf") or field.get("oneOf")
    if options:
        return " or ".join(_type(option) for option in options)
    choices = field.get("enum") or ([field["const"]] if "const" in field else [])
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    return _container(field) or _scalar(field)


def _container(field: JsonSchema) -> str | None:
    if field["type"] == "array":
        return f"list of {_type(field['items'])}"
    if field["type"] == "object":
        values = field.get("additionalProperties") or next(iter(field["patternProperties"].values()))
        return f"mapping of names to {_type(values)}"
    return None


def _scalar(field: JsonSchema) -> str:
    words = {"string": "text", "boolean": "true or false"}
    kind = "name" if "pattern" in field else field.get("format") or words.get(field["type"], field["type"])
    bounds = " and ".join(f"{sign} {field[bound]:g}" for bound, sign in BOUNDS.items() if bound in field)
    return f"{kind} {bounds}".strip()


def _default(field: JsonSchema, *, is_required: bool) -> str:
    if is_required:
        return "required"
    if "$ref" in field:
        return "the section's own"
    default = field.get("default")
    return f"`{json.dumps(default)}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _referenced(reference: str) -> str:
    return reference.rsplit("/", 1)[-1]


def _references(schema: Any) -> Iterator[str]:  # JSON of any depth
    if isinstance(schema, Mapping):
        if "$ref" in schema:
            yield _referenced(schema["$ref"])
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


if __name__ == "__main__":
    sys.stdout.write(spec_reference())
