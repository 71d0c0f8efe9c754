"""Markdown tables of the sets `table` and `quick`."""

from dataclasses import replace

from .results import Results
from .scenarios import FLOOR, LATENCY_RATE, PRODUCT, TITLES, Job, Scenario

NOTES = (
    "The C floor is the least that a durable log with LZ4 and CRC-32C has to do: no index, no recovery, no retention. "
    "“CPU” is client and server, put and consume. “On disk” is per byte of data that was put."
)


def markdown(rows: list, texts: int = 1) -> list:
    """The first row is the heading; the first `texts` columns are text, the others numbers."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|---" * texts + "|---:" * (len(rows[0]) - texts) + "|")
    return lines


def quantity(value) -> str:
    """Records a second, in three digits or so."""
    if value is None:
        return "–"
    if value >= 1e6:
        return f"{value / 1e6:.2f} M"
    return f"{value / 1e3:.0f} k" if value >= 1e4 else f"{value / 1e3:.1f} k"


def decimal(value, digits: int = 2) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def pair(first, second) -> str:
    return "–" if first is None else f"{decimal(first)} / {decimal(second)}"


def title(system: str) -> str:
    return f"**{TITLES[system]}**" if system == PRODUCT else TITLES[system]


def ordered(systems: list) -> list:
    """The product first, then the floor, then as they came."""
    return sorted(systems, key=lambda system: (system != PRODUCT, system != FLOOR))


def comparison_tables(results: Results) -> list:
    """One table with all figures for each kind of record with 4 shards, one that shows what more shards cost."""
    lines = []
    loads = [scenario for scenario in results.scenarios() if not scenario.rate]
    for record_bytes in dict.fromkeys(scenario.record_bytes for scenario in loads):
        same_size = sorted((s for s in loads if s.record_bytes == record_bytes), key=lambda s: s.shards)
        main = next((scenario for scenario in same_size if scenario.shards == 4), same_size[0])
        lines += [f"**{main.describe()}**", ""] + _all_figures(results, main) + [""]
        if len(same_size) > 1:
            heading = f"**{main.describe_size()}, by shards: records/s consumed (CPU, µs/record)**"
            lines += [heading, ""] + _by_shards(results, same_size) + [""]
    return lines + [NOTES]


def _all_figures(results: Results, scenario: Scenario) -> list:
    at_rate = replace(scenario, producers=1, rate=LATENCY_RATE)
    with_latency = at_rate in results.scenarios()
    heading = ["", "put, records/s", "consumed", "MB/s", "CPU, µs/record", "put acknowledged, ms, p50 / p99"]
    if with_latency:
        heading.append(f"put to consume at {LATENCY_RATE:,}/s, ms, p50 / p99")
        heading.append("its CPU, µs/record")
    rows = [heading + ["on disk", "peak memory, MiB"]]
    for system in ordered(results.systems(scenario)):
        if results.has_failed(Job(scenario, system)):
            rows.append([title(system), "failed"] + ["–"] * (len(rows[0]) - 2))
            continue
        median = lambda name: results.median(scenario, system, name)
        row = [title(system), quantity(median("put_rate")), quantity(median("rate")), decimal(median("megabytes"), 1)]
        row += [decimal(median("cpu_us")), pair(median("ack_p50"), median("ack_p99"))]
        if with_latency:
            latency = [results.median(at_rate, system, name) for name in ("latency_p50", "latency_p99")]
            row.append(pair(*latency))
            row.append(decimal(results.median(at_rate, system, "latency_cpu_us")))
        rows.append(row + [decimal(median("disk_ratio")), decimal(median("memory"), 0)])
    return markdown(rows)


def _by_shards(results: Results, scenarios: list) -> list:
    first = next((scenario for scenario in scenarios if scenario.shards == 4), scenarios[0])
    last = scenarios[-1]
    rows = [[""] + [f"{scenario.shards:,}" for scenario in scenarios] + [f"{last.shards:,} : {first.shards:,}"]]
    for system in ordered(results.systems(scenarios[0])):
        row = [title(system)]
        for scenario in scenarios:
            rate = results.median(scenario, system, "rate")
            cpu = results.median(scenario, system, "cpu_us")
            row.append("–" if rate is None else f"{quantity(rate)} ({decimal(cpu)})")
        few, many = (results.median(scenario, system, "rate") for scenario in (first, last))
        rows.append(row + [decimal(many / few if few and many else None)])
    return markdown(rows)
