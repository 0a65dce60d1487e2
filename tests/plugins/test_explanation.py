"""What is said of a task's fingerprint that changed."""

from slipway import explanation


def test_an_explanation_has_a_line_for_each_part_that_changed():
    old = {
        "code": "sha256:aaaa",
        "parameters": {"seed": "1", "day": "2", "same": "3"},
        "tables": {"raw": 3, "predictions": 1},
        "table_ids": {"raw": "x", "predictions": "y"},
        "landing": {"digest": "1", "files": {"gone.csv": "1", "kept.csv": "2", "other.csv": "3"}},
        "models": {"champion": 1},
    }
    new = {
        "code": "sha256:bbbb",
        "parameters": {"seed": "9", "key": "4", "same": "3"},
        "tables": {"raw": 4, "predictions": 1},
        "table_ids": {"raw": "x", "predictions": "z"},
        "landing": {"digest": "2", "files": {"kept.csv": "2", "new.csv": "1", "other.csv": "4"}},
        "models": {"champion": 2},
    }
    image = {"name": "model", "version": "0.1.0"}
    before = {"image": image, "parameters": {"seed": 7, "day": "day", "same": 1}}
    now = {"image": image | {"version": "0.2.0"}, "parameters": {"seed": 8, "key": list(range(99)), "same": 1}}
    assert explanation.changed(old, new, before, now) == [
        "image: model 0.1.0 (sha256:aaaa) -> model 0.2.0 (sha256:bbbb)",
        'parameter day: "day" -> not given',
        "parameter key: not given -> [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 1…",
        "parameter seed: 7 -> 8",
        "raw: raw@v3 -> raw@v4",
        "predictions: made anew, with the same number of versions",
        "landing: gone.csv gone",
        "landing: new.csv added",
        "landing: other.csv changed",
        "champion: version 1 -> version 2",
    ]
    assert explanation.changed(old, old, before, before | {"run": {}}) == []
