"""YAML that knows its lines, so that a wrong key can be shown where it stands."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import yaml
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import relevance

from slipway.errors import PipelineError

# An alias of an alias of an alias can unfold to more than any memory holds.
LARGEST_WEIGHT = 10_000
ENDLESS = re.compile(r"[-+]?\.(inf|nan)", re.IGNORECASE)


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
        if weight(tree, {}) > LARGEST_WEIGHT:
            raise PipelineError(f"{path}:1: its aliases unfold to more than {LARGEST_WEIGHT:,} values: write them out")
        refuse_twice(path, tree)
        refuse_endless(path, tree)
        # PlainDates is a SafeLoader.
        return yaml.load(text, Loader=PlainDates), tree  # noqa: S506
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise PipelineError(f"{path}:{line}: not YAML: {error.problem}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PipelineError(f"{path}:1: can't be read: {' '.join(str(error).split())}") from error


def weight(node: yaml.Node, known: dict[int, float]) -> float:
    """How many values a node unfolds to; infinitely many where it holds itself."""
    if id(node) not in known:
        known[id(node)] = float("inf")
        known[id(node)] = 1 + sum(weight(child, known) for child in children(node))
    return known[id(node)]


def children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []


def refuse_twice(path: Path, node: yaml.Node) -> None:
    """YAML itself keeps the last of two equal keys and says nothing."""
    seen: set[str] = set()
    for key, _ in node.value if isinstance(node, yaml.MappingNode) else []:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise PipelineError(f"{path}:{line}: a key must be a word, not a list or a mapping")
        if key.value in seen:
            raise PipelineError(f"{path}:{line}: key {key.value!r} stands twice: keep one")
        seen.add(key.value)
    for child in children(node):
        refuse_twice(path, child)


def refuse_endless(path: Path, node: yaml.Node) -> None:
    """No bound holds for `.nan`, and JSON, which jobs are told in, has neither it nor `.inf`."""
    if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:float" and ENDLESS.fullmatch(node.value):
        raise PipelineError(f"{path}:{node.start_mark.line + 1}: {node.value} is not a finite number: write one")
    for child in children(node):
        refuse_endless(path, child)


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
    error = max(Draft202012Validator(schema).iter_errors(document), key=relevance, default=None)
    if error is None:
        return
    steps, says = sentence(meant(error))
    raise PipelineError(f"{path}:{line_of(tree, steps)}: {says}")


def meant(error: ValidationError) -> ValidationError:
    """Of a value that fits none of several forms, the fault in the form that it resembles most."""
    while error.context:
        forms: dict[object, list[ValidationError]] = {}
        for fault in error.context:
            forms.setdefault(fault.schema_path[0], []).append(fault)
        nearest_form = max(forms.values(), key=likeness)
        error = min(nearest_form, key=lambda fault: (fault.validator != "additionalProperties", len(fault.path)))
    return error


def likeness(faults: list[ValidationError]) -> float:
    """How much a value resembles a form: endless where only its inner parts are wrong, least where its type is."""
    outer = [fault for fault in faults if not fault.path]
    if any(fault.validator == "type" for fault in outer):
        return -1
    known = next((fault.schema.get("properties", {}) for fault in outer if isinstance(fault.schema, Mapping)), None)
    if known is None:
        return float("inf")
    given = cast(dict[str, Any], outer[0].instance)
    return sum(max((difflib.SequenceMatcher(None, key, name).ratio() for name in known), default=0) for key in given)


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
    where = ".".join(map(str, steps))
    if error.validator == "enum":
        return steps, f"{where}: unknown {error.instance!r}: {nearest(str(error.instance), choices(error), 'words')}"
    if error.validator == "pattern":
        return steps, f"{where}: {error.instance!r} has not the form that is meant here{described(error.schema)}"
    return steps, f"{where}: {error.message}"


def choices(error: ValidationError) -> list[str]:
    return [str(choice) for choice in cast(list[Any], error.validator_value)]


def nearest(name: str, known: Iterable[str], kind: str = "keys") -> str:
    """A hint at the known name that was meant."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known {kind} are {', '.join(names)}"


def described(schema: Any) -> str:
    return f" ({schema['description'].rstrip('.')})" if isinstance(schema, Mapping) and "description" in schema else ""
