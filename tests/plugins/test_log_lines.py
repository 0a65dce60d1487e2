import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway import log_lines
from slipway.log_lines import LONGEST_LINE, Lines, levelled


def told(chunks, secrets=()):
    lines = Lines(secrets)
    return [line for chunk in chunks for line in lines.feed(chunk)] + lines.end()


def test_a_character_cut_in_two_by_a_chunk_arrives_whole():
    raw = "€uro\nnext".encode()
    assert told([raw[:1], raw[1:]]) == ["€uro", "next"]


def test_a_line_that_ends_in_the_way_of_windows_is_one_line():
    assert told([b"one\r", b"\ntwo\r\n"]) == ["one", "two"]


def test_progress_is_shown_while_it_is_drawn_but_not_each_time(monkeypatch):
    clock = iter([0.0, 0.0, 0.5, 1.2, 1.2])
    monkeypatch.setattr(log_lines.time, "monotonic", lambda: next(clock))
    lines = Lines()
    seen = [lines.feed(chunk) for chunk in (b"\r10%", b"\r20%", b"\r30%")]
    assert seen == [["10%"], [], ["30%"]]
    assert lines.feed(b"\r100%\n") == ["100%"]


def test_a_bar_that_was_shown_last_is_not_told_again_at_the_end():
    assert told([b"\r10%"]) == ["10%"]


def test_a_secret_is_blanked_wherever_it_stands():
    assert told([b"key=hunter2!\nnone\n"], ["hunter2!"]) == ["key=***", "none"]


def test_each_line_of_a_secret_with_several_is_blanked():
    assert told([b"first line\nsecond\n"], ["first line\nsecond"]) == ["***", "***"]


@pytest.mark.parametrize(
    "written",
    [
        json.dumps({"key": "a\"b%\nc'd"}),
        repr({"key": "a\"b%\nc'd"}),
        "https://user:a%22b%25%0Ac%27d@host/",
        "Basic YSJiJQpjJ2Q=",
    ],
)
def test_a_secret_is_blanked_as_programs_write_it(written):
    assert "***" in told([written.encode()], ["a\"b%\nc'd"])[0]


def test_a_short_secret_is_blanked_too():
    assert told([b"pin 4711.\n"], ["4711"]) == ["pin ***."]


def test_a_longer_secret_is_blanked_before_one_that_it_contains():
    assert told([b"abcdef\n"], ["abc", "abcdef"]) == ["***"]


def test_a_line_without_an_end_comes_in_pieces_and_whole():
    pieces = told([b"x" * 10_000] * 30)
    assert "".join(pieces) == "x" * 300_000
    assert max(map(len, pieces)) <= LONGEST_LINE


@pytest.mark.parametrize("before", range(LONGEST_LINE - 7, LONGEST_LINE + 2))
def test_no_piece_of_a_long_line_cuts_a_secret(before):
    chunks = [b"x" * before, b"sec", b"ret", b"y" * 200_000]
    assert "".join(told(chunks, ["secret"])) == "x" * before + "***" + "y" * 200_000


def test_a_line_keeps_the_level_that_it_begins_with():
    assert levelled("WARNING disk is full") == (logging.WARNING, "disk is full")
    assert levelled("ERROR: no such file") == (logging.ERROR, "no such file")
    assert levelled("INFORMATION is here") == (logging.INFO, "INFORMATION is here")


@given(st.text(alphabet="aé€😀\n", max_size=60), st.integers(1, 7))
def test_lines_do_not_depend_on_how_the_stream_is_cut(text, size):
    raw = text.encode()
    chunks = [raw[start : start + size] for start in range(0, len(raw), size)]
    assert "\n".join(told(chunks)) == text.removesuffix("\n")
