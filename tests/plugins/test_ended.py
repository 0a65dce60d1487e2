import json

import pytest

from slipway.ended import Ended, judge
from slipway.failures import JobFailedError, JobRefusedError, NothingToDo

GIB2 = 2 * 2**30
CLOSED = {"status": "done", "closed": True}


def ended(exit_code, outputs=None, **extra):
    return Ended(exit_code, None if outputs is None else json.dumps(outputs), **extra)


def test_a_closed_result_is_handed_on():
    assert judge(ended(0, CLOSED), "train", GIB2) == CLOSED


def test_exit_0_without_outputs_is_a_failure():
    with pytest.raises(JobFailedError, match=r"exit code 0 and no outputs\.json: the contract"):
        judge(ended(0), "train", GIB2)


def test_exit_0_without_the_closing_mark_is_a_failure():
    with pytest.raises(JobFailedError, match="without its closing mark"):
        judge(ended(0, {"status": "done"}), "train", GIB2)


def test_a_result_that_is_nested_beyond_reading_is_a_failure():
    with pytest.raises(JobFailedError, match="without its closing mark"):
        judge(Ended(0, "[" * 200_000), "train", GIB2)


def test_exit_0_with_half_a_file_is_a_failure():
    with pytest.raises(JobFailedError, match="without its closing mark"):
        judge(Ended(0, '{"status": "do'), "train", GIB2)


def test_nothing_to_do_is_skipped_with_its_reason():
    with pytest.raises(NothingToDo, match="train: nothing to do: raw@v3 was trained already"):
        judge(ended(99, {**CLOSED, "reason": "raw@v3 was trained already"}), "train", GIB2)


@pytest.mark.parametrize(("exit_code", "word"), [(64, "usage"), (65, "bad data")])
def test_what_a_retry_can_not_heal_is_never_retried(exit_code, word):
    with pytest.raises(JobRefusedError, match=f"ingest: {word}: no column 'x'"):
        judge(ended(exit_code, {**CLOSED, "error": {"message": "no column 'x'"}}), "ingest", GIB2)


@pytest.mark.parametrize(("exit_code", "word"), [(69, "a service is away"), (75, "try again"), (1, "exit code 1")])
def test_what_a_retry_may_heal_is_a_plain_failure(exit_code, word):
    with pytest.raises(JobFailedError, match=f"ingest: {word}: it says why"):
        judge(ended(exit_code, {**CLOSED, "error": {"message": "it says why"}}), "ingest", GIB2)


def test_out_of_memory_names_the_limit_and_the_key_that_raises_it():
    with pytest.raises(
        JobFailedError,
        match=r"out of memory at its limit of 2\.0 GiB, with a peak of 1\.5 GiB: raise limits\.train\.memory",
    ):
        judge(ended(137, out_of_memory=True, peak_memory_bytes=GIB2 * 3 // 4), "train", GIB2)


@pytest.mark.parametrize(
    ("exit_code", "kind"),
    [
        (64, "usage"),
        (65, "bad_data"),
        (69, "service_away"),
        (75, "try_again"),
        (124, "deadline"),
        (137, "killed"),
        (143, "killed"),
        (3, "exit_code"),
    ],
)
def test_each_end_has_a_kind_of_its_own(exit_code, kind):
    with pytest.raises((JobFailedError, JobRefusedError)) as raised:
        judge(ended(exit_code, {**CLOSED, "error": {"message": "it says why"}}), "ingest", GIB2)
    assert raised.value.kind == kind


def test_only_a_jobs_last_word_is_final():
    finals = [code for code in (0, 1, 64, 65, 69, 75, 99, 124, 137, 143) if ended(code, CLOSED).final]
    assert finals == [0, 64, 65, 99]
    assert not ended(0).final
