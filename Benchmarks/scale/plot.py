#!/usr/bin/env python3
"""Draws points.json, which measure.py has written, as SVG files for the documentation.

    ./plot.py                              # into the catalogue's Resources
    ./plot.py --points P --folder DIR
    ./plot.py --tables                     # prints the tables of the page in Markdown
"""

import argparse
import json
from pathlib import Path

from scaling.chart import Axis, Series, chart
from scaling.tables import tables

HERE = Path(__file__).resolve().parent
RESOURCES = HERE.parent.parent / "Sources/Shardline/Shardline.docc/Resources"


def line(name: str, points: list[dict], x: str, y: str, unit: float = 1, runs: str | None = None, **more) -> Series:
    """A series of the figure `y` over `x`. `runs` names a list of single times; else the runs have the figure."""
    found = []
    for point in points:
        if point[x] == 0:
            continue
        single = point[runs] if runs else [run[y] for run in point["runs"]]
        found.append((point[x], point[y] / unit, min(single) / unit, max(single) / unit))
    return Series(name, found, **more)


def _per_batch(points: list[dict]) -> list[dict]:
    found = [{**point, "per_batch": point["records"] / point["invocations"]} for point in points]
    return sorted(found, key=lambda point: point["per_batch"])


def charts(found: dict) -> dict[str, str]:
    """The files, by name."""
    by = {name: series["points"] for name, series in found.items()}
    records, shards, mappings = by["records"], by["shards"], by["mappings"]
    large = by["large"]
    empty = next(point for point in by["opening"] if point["records"] == 0)
    opening = [
        line("after an orderly end", by["opening"], "records", "open_ms", runs="opens", labels=-1),
        line("after kill -9", by["opening"], "records", "open_after_kill_ms", runs="opens_after_kill", labels=1),
    ]
    if large:
        size = f"{large[0]['payload_bytes'] / 1e9:.0f} GB"
        opening.append(line(f"a store of {size}", large, "records", "open_ms", runs="opens", labels=-1, joined=False))
    shard_ticks = [1, 10, 100, 1_000, 10_000]

    def count(title: str, ticks: list[float] | None = None) -> Axis:
        return Axis(title, log=True, ticks=ticks or [])

    return {
        "scale-records-rate": chart(
            "More records: the rate stays", count("records in the run"), Axis("records a second, put and consumed"),
            [line("rate", records, "records", "consumed_records_per_s", labels=1)]),
        "scale-records-memory": chart(
            "More records: memory hardly grows", count("records in the run"), Axis("peak memory of the process, MB"),
            [line("memory", records, "records", "peak_memory_bytes", 1e6, labels=1)]),
        "scale-opening": chart(
            "A larger store opens as quickly", count("records in the store"),
            Axis("milliseconds of one command: start, open, look, close"), opening,
            level=(empty["open_ms"], "an empty store")),
        "scale-shards-rate": chart(
            "More shards share one journal, but make smaller batches", count("shards", shard_ticks),
            Axis("records a second, put and consumed", log=True),
            [line("rate", shards, "shards", "consumed_records_per_s", labels=1)]),
        "scale-batches": chart(
            "It is small batches that cost, not shards", Axis("records a batch, as the function gets them", log=True),
            Axis("microseconds of processor time per record", log=True),
            [line("1 to 10,000 shards, calls of 500 records", _per_batch(shards), "per_batch", "cpu_us_per_record"),
             line("4 shards, calls of 5 to 5,000 records", _per_batch(by["batch"]), "per_batch", "cpu_us_per_record")]),
        "scale-shards-memory": chart(
            "More shards: memory", count("shards", shard_ticks), Axis("peak memory of the process, MB"),
            [line("busy: a million records", shards, "shards", "peak_memory_bytes", 1e6, labels=1),
             line("idle: one mapping waits", by["idle"], "shards", "memory_bytes", 1e6, labels=-1)]),
        "scale-waking": chart(
            "An idle shard wakes as quickly among 10,000 as alone", count("shards", shard_ticks),
            Axis("milliseconds from when a record was due until the function has it", log=True),
            [line("median", by["waking"], "shards", "latency_p50_ms", labels=-1),
             line("99 of 100", by["waking"], "shards", "latency_p99_ms", labels=1)]),
        "scale-streams": chart(
            "More streams: opening takes hardly longer", count("streams in the store"),
            Axis("milliseconds of one command: start, open, look, close"),
            [line("opening", by["streams"], "streams", "open_ms", runs="opens", labels=1)]),
        "scale-mappings": chart(
            "More mappings: each reads and calls for itself", Axis("mappings on one stream", ticks=[1, 2, 4, 8]),
            Axis("microseconds of processor time per record that was put"),
            [line("CPU", mappings, "mappings", "cpu_us_per_record", labels=1)]),
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description="Draws what measure.py has measured.")
    parser.add_argument("--points", type=Path, default=HERE / "points.json")
    parser.add_argument("--folder", type=Path, default=RESOURCES)
    parser.add_argument("--tables", action="store_true", help="print the tables instead")
    chosen = parser.parse_args()
    found = json.loads(chosen.points.read_text(encoding="utf-8"))
    if chosen.tables:
        print(tables(found))
        return
    chosen.folder.mkdir(parents=True, exist_ok=True)
    for name, content in charts(found).items():
        (chosen.folder / f"{name}.svg").write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
