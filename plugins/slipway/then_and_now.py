"""The result of a run beside that of its replay, compared exactly."""

from dataclasses import dataclass
from typing import Any

SHOWN_HASH = 12
ABSENT = "-"


@dataclass(frozen=True)
class Row:
    """One thing that was compared."""

    what: str
    then: str
    now: str
    same: bool

    @classmethod
    def of(cls, what: str, then: Any, now: Any) -> "Row":
        return cls(what, text(then), text(now), then == now)


def rows(then: dict[str, Any], now: dict[str, Any], written: tuple[str, ...]) -> list[Row]:
    """All that both outputs tell; of a table that was written the content counts, since its versions count anew."""
    found = [Row.of("files in landing", files(then), files(now))] * bool(then.get("files"))
    was, is_now = then.get("tables") or {}, now.get("tables") or {}
    for name in sorted(was.keys() | is_now.keys()):
        old, new = was.get(name) or {}, is_now.get(name) or {}
        if name not in written:
            found.append(Row.of(f"{name}, version", old.get("version"), new.get("version")))
        if old.get("content_hash") or new.get("content_hash"):
            found.append(Row.of(f"{name}, content", old.get("content_hash"), new.get("content_hash")))
    # A replayed training registers none.
    if model := now.get("model"):
        found.append(Row.of("model version", (then.get("model") or {}).get("version"), model["version"]))
    found += values("count", then.get("counts") or {}, now.get("counts") or {})
    return found + metrics(then.get("metrics") or {}, now.get("metrics") or {})


def files(outputs: dict[str, Any]) -> str | None:
    """The delivery in one word: how many files, and the hash of them all."""
    told = outputs.get("files")
    return told and f"{told['count']} ({told['digest'][:SHOWN_HASH]})"


def values(title: str, then: dict[str, Any], now: dict[str, Any]) -> list[Row]:
    names = [*then, *(name for name in now if name not in then)]
    return [Row.of(f"{title} {name}", then.get(name), now.get(name)) for name in names]


def metrics(then: dict[str, float], now: dict[str, float]) -> list[Row]:
    """Those that differ one by one, each with by how much; the others together."""
    found = values("metric", then, now)
    differing = [measured(row, then, now) for row in found if not row.same]
    others = f"{len(found) - len(differing)} values"
    if len(differing) == len(found):
        return differing
    return [*differing, Row("metrics, all other" if differing else "metrics", others, others, True)]


def measured(row: Row, then: dict[str, float], now: dict[str, float]) -> Row:
    name = row.what.partition(" ")[2]
    old, new = then.get(name), now.get(name)
    if old is None or new is None:
        return row
    ratio = f", {new / old:.9g} of then" if old else ""
    return Row(row.what, row.then, f"{row.now} ({new - old:+.3g}{ratio})", False)


def text(value: Any) -> str:
    if value is None:
        return ABSENT
    if isinstance(value, str) and len(value) == 64:
        return value[:SHOWN_HASH]
    return f"{value:,}" if isinstance(value, int) else str(value)


def lines(rows: list[Row], differing_files: dict[str, str]) -> list[str]:
    """A table, and below it each file that is no longer as it was."""
    cells = [("what", "then", "now", "same?")]
    cells += [(row.what, row.then, row.now, "yes" if row.same else "NO") for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    table = [" | ".join(map(str.ljust, line, widths)).rstrip() for line in cells]
    return [*table, *(f"landing: {name} {word} since then" for name, word in differing_files.items())]


def verdict(rows: list[Row]) -> str:
    differing = [row.what for row in rows if not row.same]
    return f"differs: {', '.join(differing)}" if differing else "the same as then"
