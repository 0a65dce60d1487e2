import pytest

from slipway import yaml_lines
from slipway.errors import PipelineError

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["target"],
    "properties": {
        "target": {"type": "string", "description": "what is predicted"},
        "split": {"type": "object", "additionalProperties": False, "properties": {"test_fraction": {"type": "number"}}},
        "features": {"type": "array", "items": {"type": "string"}},
    },
}


def check(path):
    document, tree = yaml_lines.load(path)
    yaml_lines.check(path, tree, document, SCHEMA)


def refusal(tmp_path, text):
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(PipelineError) as refused:
        check(path)
    return str(refused.value).removeprefix(str(tmp_path))


def test_an_unknown_key_names_file_line_and_the_key_that_was_meant(tmp_path):
    assert refusal(tmp_path, "target: y\n# a comment\nfeaturs: [a]\n") == (
        "/p.yaml:3: unknown key 'featurs': did you mean 'features'?"
    )


def test_an_unknown_key_inside_a_mapping_names_where_it_stands(tmp_path):
    assert refusal(tmp_path, "target: y\nsplit:\n  test_fractoin: 0.2\n") == (
        "/p.yaml:3: unknown key 'test_fractoin' in split: did you mean 'test_fraction'?"
    )


def test_a_key_far_from_any_known_one_lists_the_known_ones(tmp_path):
    assert refusal(tmp_path, "target: y\nzzz: 1\n").endswith("known keys are features, split, target")


def test_a_missing_key_says_what_it_is_for(tmp_path):
    assert refusal(tmp_path, "features: [a]\n") == "/p.yaml:1: key 'target' is missing (what is predicted)"


def test_a_wrong_value_names_the_line_of_the_item(tmp_path):
    assert refusal(tmp_path, "target: y\nfeatures:\n  - a\n  - 3\n").startswith("/p.yaml:4: features.1: 3 is not")


def test_a_key_that_stands_twice_is_refused(tmp_path):
    assert refusal(tmp_path, "target: y\ntarget: z\n") == "/p.yaml:2: key 'target' stands twice: keep one"


def test_a_file_that_is_no_yaml_names_the_line(tmp_path):
    assert refusal(tmp_path, "target: y\nfeatures: [a\n").startswith("/p.yaml:3: not YAML: ")


def test_an_empty_file_is_refused(tmp_path):
    assert refusal(tmp_path, "").startswith("/p.yaml:1: not a mapping of keys")


def test_dates_stay_text(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text("start: 2023-01-01\n")
    assert yaml_lines.load(path)[0] == {"start": "2023-01-01"}
