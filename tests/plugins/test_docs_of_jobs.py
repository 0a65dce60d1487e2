"""What docs/jobs.md says of contracts and failures is what the code does."""

import re

from slipway import contracts, failures, settings

TEXT = (settings.ROOT / "docs" / "jobs.md").read_text(encoding="utf-8")


def table(heading):
    """The first cell of each row below a heading, without its marks, and the rest of the row."""
    rows = re.findall(r"^\| `(\w+)` \|(.*)$", TEXT.partition(f"## {heading}\n")[2].partition("\n## ")[0], re.MULTILINE)
    return dict(rows)


def test_the_example_is_a_contract(tmp_path):
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    path = tmp_path / "score" / "job.yaml"
    path.parent.mkdir()
    path.write_text(example)
    found = contracts.load(path)
    assert (found.command, found.egress) == (("/opt/score/run", "--fast"), True)
    assert set(found.unhardened) == {"read_only"}


def test_each_measure_that_can_be_left_out_is_told():
    text = TEXT.partition("## What a container is held to\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| [^|]+ \| `(\w+)` \|", text, re.MULTILINE) == list(contracts.MEASURES)


def test_each_failure_is_told_with_whether_it_is_retried():
    classes = [*failures.JobFailedError.__subclasses__(), failures.JobRefusedError, failures.BadDataError]
    retried = {one.kind: "yes" if issubclass(one, failures.JobFailedError) else "no" for one in classes}
    assert {kind: row.split("|")[1].strip() for kind, row in table("What a failure means").items()} == retried
