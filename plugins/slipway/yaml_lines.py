"""YAML that knows its lines, so that a wrong key can be shown where it stands."""

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import yaml
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import best_match

from slipway.errors import PipelineError


class PlainDates(yaml.SafeLoader):
    """Leaves dates as text: inputs.json carries text, and the schema checks its format."""


PlainDates.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load(path: Path) -> tuple[dict[str, Any], yaml.Node]:
    """A mapping and the tree of nodes that knows its lines.

    Raises PipelineError for a file that is no YAML mapping or names a key twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
        tree = yaml.compose(text, Loader=PlainDates)
        if not isinstance(tree, yaml.MappingNode):
            raise PipelineError(f"{path}:1: not a mapping of keys: see the pipelines beside it for the form")
        refuse_twice(path, tree)
        # PlainDates is a SafeLoader.
        return yaml.load(text, Loader=PlainDates), tree  # noqa: S506
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise PipelineError(f"{path}:{line}: not YAML: {error.problem}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise PipelineError(f"{path}: can't be read: {error}") from error


def refuse_twice(path: Path, node: yaml.Node) -> None:
    """YAML itself keeps the last of two equal keys and says nothing."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            refuse_twice(path, item)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise PipelineError(f"{path}:{key.start_mark.line + 1}: key {key.value!r} stands twice: keep one")
            seen.add(key.value)
            refuse_twice(path, value)


def line_of(tree: yaml.Node, steps: Sequence[str | int]) -> int:
    """The line, from 1, of the key or item that the steps lead to; of the nearest one above it that exists."""
    node, line = tree, tree.start_mark.line
    for step in steps:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(step)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step]
            line = node.start_mark.line
    return line + 1


def check(path: Path, tree: yaml.Node, document: dict[str, Any], schema: dict[str, Any]) -> None:
    """Refuse a document that breaks its schema, naming file, line and the key that was meant.

    Raises PipelineError for the fault that says most.
    """
    error = best_match(Draft202012Validator(schema).iter_errors(document))
    if error is None:
        return
    steps, says = sentence(error)
    raise PipelineError(f"{path}:{line_of(tree, steps)}: {says}")


def sentence(error: ValidationError) -> tuple[list[str | int], str]:
    """Where a fault stands and what it is, in words."""
    steps = list(error.absolute_path)
    within = f" in {'.'.join(map(str, steps))}" if steps else ""
    known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
    if error.validator == "additionalProperties":
        unknown = next(key for key in cast(dict[str, Any], error.instance) if key not in known)
        return [*steps, unknown], f"unknown key {unknown!r}{within}: {nearest(unknown, known)}"
    if error.validator == "required":
        given = cast(dict[str, Any], error.instance)
        missing = next(key for key in cast(list[str], error.validator_value) if key not in given)
        return steps, f"key {missing!r} is missing{within}{described(known.get(missing, {}))}"
    return steps, f"{'.'.join(map(str, steps))}: {error.message}"


def nearest(name: str, known: Iterable[str], kind: str = "keys") -> str:
    """A hint at the known name that was meant."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known {kind} are {', '.join(names)}"


def described(schema: dict[str, Any]) -> str:
    return f" ({schema['description']})" if "description" in schema else ""
