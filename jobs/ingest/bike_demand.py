"""Generated hourly bicycle demand. Nothing here was measured: the rows are made up, to try the line on.

A day's rows depend on the seed and the day alone, so any window of days gives the same rows as the whole.
Demand is a product of growth, season, hour of the week, weather and holidays, with noise on top.
"""

import math
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.pipeline import BikeDemand

COLUMNS = (
    "day",
    "hour",
    "season",
    "holiday",
    "weekday",
    "workingday",
    "weather",
    "temperature",
    "humidity",
    "windspeed",
    "demand",
)
NAME = "builtin:bike_demand"
_DAYS_AT_ONCE = 100
_EPOCH = date(2020, 1, 1)
_HOLIDAYS = {(1, 1), (5, 1), (7, 4), (10, 3), (11, 11), (12, 24), (12, 25), (12, 26), (12, 31)}
_SEASONS = ("winter", "spring", "summer", "autumn")
_WEATHER = {"clear": 1.0, "cloudy": 0.88, "rain": 0.55, "storm": 0.25}
_WORK_HOURS = (
    0.1,
    0.06,
    0.05,
    0.05,
    0.1,
    0.35,
    0.9,
    1.8,
    2.4,
    1.5,
    1.0,
    1.1,
    1.3,
    1.25,
    1.2,
    1.4,
    1.9,
    2.8,
    2.6,
    1.8,
    1.2,
    0.8,
    0.5,
    0.25,
)
_FREE_HOURS = (
    0.4,
    0.3,
    0.2,
    0.12,
    0.08,
    0.1,
    0.2,
    0.35,
    0.6,
    1.0,
    1.4,
    1.7,
    1.9,
    1.95,
    1.9,
    1.8,
    1.7,
    1.55,
    1.35,
    1.1,
    0.9,
    0.75,
    0.6,
    0.45,
)
_MEAN_DEMAND = 180.0


def days_of(source: BikeDemand, first: date | None, last: date | None) -> list[date]:
    """The source's days that lie in the window."""
    start, end = max(source.start, first or source.start), min(source.end, last or source.end)
    return [start + timedelta(days=offset) for offset in range((end - start).days + 1)]


def tables(source: BikeDemand, days: list[date]) -> Iterator[pa.Table]:
    """Texts of the columns in COLUMNS, 24 rows a day, and `slipway_file` and `slipway_n` that say where each stands."""
    for place in range(0, len(days), _DAYS_AT_ONCE):
        rows = [row for day in days[place : place + _DAYS_AT_ONCE] for row in _day(source, day)]
        columns = {name: pa.array([row[name] for row in rows], pa.string()) for name in (*COLUMNS, "slipway_file")}
        yield pa.table(columns | {"slipway_n": pa.array([1 + number % 24 for number in range(len(rows))])})


def _day(source: BikeDemand, day: date) -> list[dict[str, str | None]]:
    rows = _rows(source, day)
    _break_some(rows, source, day)
    return [row | {"slipway_file": f"{NAME}/{day}"} for row in rows]


def _rows(source: BikeDemand, day: date) -> list[dict[str, str | None]]:
    draw = np.random.default_rng([source.seed, day.toordinal()])
    years = (day - source.start).days / 365.25 * source.drift
    year_angle = 2 * math.pi * (day.timetuple().tm_yday - 15) / 365.25
    # Fronts pass over several days, but a day may not need the one before it to be made.
    front = math.sin(day.toordinal() * 0.9) + math.sin(day.toordinal() * 0.37 + source.seed)
    warmth = 12 - 11 * math.cos(year_angle) + 2.5 * front + 3 * years
    wetness = 0.62 - 0.08 * front + float(draw.normal(0, 0.08))
    free = day.weekday() >= 5 or (day.month, day.day) in _HOLIDAYS
    growth = 1 + 0.12 * (day - _EPOCH).days / 365.25
    fixed: dict[str, Any] = {
        "day": day.isoformat(),
        "season": _SEASONS[(day.month % 12) // 3],
        "holiday": int((day.month, day.day) in _HOLIDAYS),
        "weekday": day.weekday(),
        "workingday": int(not free),
    }
    rows: list[dict[str, str | None]] = []
    for hour in range(24):
        temperature = round(warmth + 5 * math.sin(math.pi * (hour - 8) / 12) + float(draw.normal(0, 0.8)), 1)
        humidity = round(min(1.0, max(0.15, wetness - 0.01 * (temperature - warmth) + float(draw.normal(0, 0.03)))), 2)
        weather = _weather(humidity, float(draw.random()))
        windspeed = round(float(draw.gamma(4, 3)), 1)
        shape = _FREE_HOURS if free else _WORK_HOURS
        # Habits drift: the evening's peak comes later by `years` hours.
        habit = shape[round(hour - min(years, 6)) % 24 if hour >= 14 else hour]
        comfort = math.exp(-(((temperature - 23) / 17) ** 2)) * (1 - 0.008 * windspeed) * _WEATHER[weather]
        expected = _MEAN_DEMAND * growth * habit * comfort
        demand = int(draw.poisson(expected * float(draw.lognormal(0, 0.12))))
        measured = {"hour": hour, "temperature": temperature, "humidity": humidity, "windspeed": windspeed}
        rows.append(
            {name: str(value) for name, value in (fixed | measured | {"weather": weather, "demand": demand}).items()}
        )
    return rows


def _weather(humidity: float, luck: float) -> str:
    score = humidity + 0.25 * luck
    if score < 0.72:
        return "clear"
    if score < 0.86:
        return "cloudy"
    return "rain" if luck < 0.95 else "storm"


def _break_some(rows: list[dict[str, str | None]], source: BikeDemand, day: date) -> None:
    draw = np.random.default_rng([source.seed, day.toordinal(), 1])
    for row in rows:
        if draw.random() < source.defects:
            name, text = (
                ("demand", "-5"),
                ("temperature", "n/a"),
                ("hour", "25"),
                ("humidity", "inf"),
                ("hour", None),
            )[draw.integers(5)]
            row[name] = text
