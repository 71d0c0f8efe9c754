"""The performance goals: ratios to peers that were measured in the same run, and some figures of the product alone."""

from dataclasses import dataclass
from typing import Callable, Optional

from .results import Results
from .scenarios import (
    DISK, FLOOR, FLOOR_RAW, INCOMPRESSIBLE, LARGE, LATENCY, MANY_SHARDS, PACED, PEERS, PRODUCT, RELAXED, SINGLE, SMALL,
    TITLES, Scenario)
from .tables import decimal, markdown


@dataclass(frozen=True)
class Goal:
    number: int
    text: str
    measure: Callable[[Results], Optional[float]]
    must: Optional[float] = None
    aim: Optional[float] = None
    at_most: bool = False
    """Less is better."""


def _divide(above, below):
    return above / below if above is not None and below else None


def _own(scenario: Scenario, name: str):
    return lambda results: results.median(scenario, PRODUCT, name)


def _ratio(scenario: Scenario, system: str, name: str = "rate"):
    return lambda results: _divide(
        results.median(scenario, PRODUCT, name), results.median(scenario, system, name))


def _to_best_peer(results: Results):
    rates = [results.median(MANY_SHARDS, peer, "rate") for peer in PEERS]
    known = [rate for rate in rates if rate is not None]
    return _divide(results.median(MANY_SHARDS, PRODUCT, "rate"), max(known, default=None))


def _many_to_few(results: Results):
    return _divide(results.median(MANY_SHARDS, PRODUCT, "rate"), results.median(SMALL, PRODUCT, "rate"))


def _keeping_up(results: Results):
    return _divide(results.median(SMALL, PRODUCT, "rate"), results.median(SMALL, PRODUCT, "put_rate"))


def _against(number: int, scenario: Scenario, text: str, *bounds) -> list:
    """A goal for each of the systems: (system, must, aim)."""
    return [
        Goal(number, f"{text}: {TITLES[system]}", _ratio(scenario, system), must, aim) for system, must, aim in bounds]


GOALS = [
    *_against(1, SMALL, "100 B, 4 shards, durable, records/s", (FLOOR, 0.45, 0.65), ("rocksdb", 3, 4.5),
              ("sqlite", 2, None), ("redis", 8, None), ("lmdb", 1, 1.4)),
    *_against(2, LARGE, "1 KiB, 4 shards, durable, records/s", (FLOOR, 0.5, 0.7), ("rocksdb", 1.5, 2.2),
              ("sqlite", 1.5, None), ("lmdb", 0.65, 0.95)),
    Goal(3, "1 KiB, incompressible, MB/s: 1 MiB writes, each flushed", _ratio(INCOMPRESSIBLE, DISK, "megabytes"),
         0.30, 0.42),
    *_against(3, INCOMPRESSIBLE, "1 KiB, incompressible, records/s", (FLOOR_RAW, 0.6, None)),
    Goal(4, "1,024 shards: its own rate with 4", _many_to_few, 0.60, 0.75),
    Goal(4, "1,024 shards, records/s: the best peer", _to_best_peer, 4, 8),
    *_against(5, RELAXED, "100 B, 4 shards, flushed later, records/s", ("rocksdb", 4, None), ("sqlite", 2, None),
              ("redis", 10, None), (FLOOR, 0.40, 0.60), ("lmdb", None, 0.7)),
    *_against(6, SINGLE, "one record a put, 64 callers, durable, records/s", ("rocksdb", 1.5, 2.5), (FLOOR, 0.9, None)),
    Goal(7, "put to consume at 10,000/s, p50: C floor", _ratio(LATENCY, FLOOR, "latency_p50"), 2, 1.2, True),
    Goal(7, "put to consume at 10,000/s, p50: RocksDB", _ratio(LATENCY, "rocksdb", "latency_p50"), 1.5, None, True),
    Goal(7, "put to consume at 10,000/s, p99: RocksDB", _ratio(LATENCY, "rocksdb", "latency_p99"), 2, None, True),
    Goal(7, "put to consume at 10,000/s, p50, ms", _own(LATENCY, "latency_p50"), None, 0.5, True),
    Goal(7, "put to consume at 10,000/s, p99, ms", _own(LATENCY, "latency_p99"), None, 5, True),
    Goal(8, "CPU, put and consume, 100 B, µs a record", _own(SMALL, "cpu_us"), 1.2, 0.8, True),
    Goal(9, "on disk per byte of data, 100 B", _own(SMALL, "disk_ratio"), 0.50, 0.40, True),
    Goal(9, "on disk per byte of data, 1 KiB", _own(LARGE, "disk_ratio"), 0.25, 0.22, True),
    Goal(10, "consumed : put, records/s", _keeping_up, 0.9, 0.95),
    Goal(11, "peak memory, 1 M records of 100 B, 4 shards, MiB", _own(SMALL, "memory"), 96, 48, True),
    Goal(11, "peak memory, 1 M records of 100 B, 1,024 shards, MiB", _own(MANY_SHARDS, "memory"), 192, 96, True),
]


for paced in PACED:
    at = f"200 B, 16 shards, at {paced.rate:,}/s"
    GOALS += [
        Goal(12, f"{at}, CPU a record: C floor", _ratio(paced, FLOOR, "latency_cpu_us"), 1.6, 1.2, True),
        Goal(12, f"{at}, put to consume, p99: RocksDB", _ratio(paced, "rocksdb", "latency_p99"), 1, None, True),
        Goal(12, f"{at}, put to consume, p50, ms", _own(paced, "latency_p50")),
    ]


def reaches(goal: Goal, value: Optional[float], bound: Optional[float]) -> str:
    if value is None or bound is None:
        return "–"
    return "yes" if (value <= bound if goal.at_most else value >= bound) else "no"


def _bound(goal: Goal, bound: Optional[float]) -> str:
    if bound is None:
        return "–"
    return ("≤ " if goal.at_most else "≥ ") + f"{bound:g}"


def goals_table(results: Results) -> list:
    rows = [["goal", "what", "measured", "must", "reached", "aim", "reached"]]
    for goal in GOALS:
        value = goal.measure(results)
        row = [str(goal.number), goal.text, "not measured" if value is None else decimal(value)]
        row += [_bound(goal, goal.must), reaches(goal, value, goal.must)]
        row += [_bound(goal, goal.aim), reaches(goal, value, goal.aim)]
        rows.append(row)
    return markdown(rows, texts=2) + ["", "“a: b” is the ratio of Shardline's figure to b's."]
