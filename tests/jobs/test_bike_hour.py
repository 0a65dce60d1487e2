"""The whole line on measured data: hourly bicycle rentals of two years."""

import os
import shutil
from pathlib import Path

import pytest
import yaml
from line import Line

REPOSITORY = Path(__file__).parents[2]
CSV = Path(os.environ.get("SLIPWAY_BIKE_CSV", REPOSITORY / ".." / "shared" / "data" / "bike_hour.csv"))


@pytest.mark.skipif(not CSV.is_file(), reason=f"no bike_hour.csv at {CSV}: set SLIPWAY_BIKE_CSV")
def test_the_champion_beats_the_yardsticks_on_the_last_fifth_of_days(line: Line) -> None:
    line.yaml = yaml.safe_load((REPOSITORY / "tests" / "fixtures" / "bike_hour.yaml").read_text())
    line.landing.mkdir(parents=True)
    shutil.copy(CSV, line.landing / "bike_hour.csv")
    assert line.run("ingest") == 0
    assert line.outputs["counts"] == {"rows": 17379, "days": 731, "changed_days": 731, "quarantined": 0, "files": 1}
    assert line.run("train") == 0
    found = {
        name: line.outputs["metrics"][f"{name}.mean_absolute_error"]
        for name in ("mean", "hour_of_week", "hist_gradient_boosting")
    }
    assert found["mean"] == pytest.approx(175.0, abs=0.1)
    assert found["hour_of_week"] == pytest.approx(101.3, abs=0.1)
    assert found["hist_gradient_boosting"] <= 45
    assert line.run("promote") == 0
    assert line.run("predict") == 0
    assert line.outputs["counts"] == {"rows": 3488, "days": 147}
    assert min(row["day"].isoformat() for row in line.rows("predictions")) == "2012-08-07"
