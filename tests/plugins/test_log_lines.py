import json

from hypothesis import given
from hypothesis import strategies as st

from slipway.log_lines import lines, redacted


def test_a_character_cut_in_two_by_a_chunk_arrives_whole():
    raw = "€uro\nnext".encode()
    assert list(lines([raw[:1], raw[1:]])) == ["€uro", "next"]


def test_progress_bars_come_line_by_line():
    assert list(lines([b"10%\r20%\rdone\n"])) == ["10%", "20%", "done"]


def test_a_secret_is_blanked_wherever_it_stands():
    assert list(redacted(["key=hunter2!", "none"], ["hunter2!"])) == ["key=***", "none"]


def test_each_line_of_a_secret_with_several_is_blanked():
    assert list(redacted(["first line", "second"], ["first line\nsecond"])) == ["***", "***"]


def test_a_secret_is_blanked_as_json_writes_it():
    assert list(redacted([json.dumps({"key": 'a"b\nc'})], ['a"b\nc'])) == ['{"key": "***"}']


def test_a_longer_secret_is_blanked_before_one_that_it_contains():
    assert list(redacted(["abcdef"], ["abc", "abcdef"])) == ["***"]


@given(st.text(alphabet="aé€😀\n", max_size=60), st.integers(1, 7))
def test_lines_do_not_depend_on_how_the_stream_is_cut(text, size):
    raw = text.encode()
    chunks = [raw[start : start + size] for start in range(0, len(raw), size)]
    assert "\n".join(lines(chunks)) == text.removesuffix("\n")
