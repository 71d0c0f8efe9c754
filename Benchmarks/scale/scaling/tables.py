"""The figures as tables in Markdown."""

from .chart import short


def tables(found: dict) -> str:
    by = {name: series["points"] for name, series in found.items()}
    parts = [
        _table(
            ("Records in the run", "records/s", "CPU a record", "peak memory", "on disk a byte put"),
            [[short(p["records"]), _rate(p), _cpu(p), _mb(p["peak_memory_bytes"]), f"{p['disk_bytes_per_byte']:.2f}"]
             for p in by["records"]]),
        _table(
            ("Records in the store", "open", "open after `kill -9`", "memory, open", "segments", "database"),
            [[short(p["records"]), _ms(p["open_ms"]), _ms(p["open_after_kill_ms"]), _mb(p["memory_bytes"]),
              _mb(p["segment_bytes"]), _kb(p["metadata_bytes"])] for p in by["opening"]]),
        _table(
            ("Shards", "records/s", "CPU a record", "records a batch", "peak memory", "on disk a byte put", "database"),
            [[f"{p['shards']:,}", _rate(p), _cpu(p), f"{p['records'] / p['invocations']:.0f}",
              _mb(p["peak_memory_bytes"]), f"{p['disk_bytes_per_byte']:.2f}", _kb(p["metadata_bytes"])]
             for p in by["shards"]]),
        _table(
            ("Records a call", "records/s", "CPU a record", "records a batch"),
            [[f"{p['batch']:,}", _rate(p), _cpu(p), f"{p['records'] / p['invocations']:.0f}"] for p in by["batch"]]),
        _table(
            ("Shards, idle", "memory", "of a core", "wakes in: median", "99 of 100"),
            [[f"{p['shards']:,}", _mb(p["memory_bytes"]), f"{p['percent_of_a_core']:.1f} %",
              _ms(w["latency_p50_ms"]), _ms(w["latency_p99_ms"])] for p, w in zip(by["idle"], by["waking"])]),
        _table(
            ("Streams", "open", "memory, open", "journal", "segments", "database"),
            [[f"{p['streams']:,}", _ms(p["open_ms"]), _mb(p["memory_bytes"]), _mb(p["journal_bytes"]),
              _kb(p["segment_bytes"]), _kb(p["metadata_bytes"])] for p in by["streams"]]),
        _table(
            ("Mappings", "records/s put", "deliveries/s", "CPU a record put", "peak memory"),
            [[f"{p['mappings']:,}", _number(p["put_records_per_s"]),
              _number(p["mappings"] * p["consumed_records_per_s"]), _cpu(p), _mb(p["peak_memory_bytes"])]
             for p in by["mappings"]]),
    ]  # fmt: skip
    parts += [_large(point) for point in by["large"]]
    parts.append("\n".join(f"{name}: others used {series['others']:.1%} of all cores" for name, series in found.items()))
    return "\n\n".join(parts)


def _large(point: dict) -> str:
    reads = [
        (place, point["opening_reads"][place], point["describing_reads"][place])
        for place in ("journal", "sqlite", "segments")
    ]
    table = _table(
        ("", "opened", "read calls", "bytes read", "the same with a look at the stream"),
        [[place, str(r["opened"]), str(r["reads"]), _kb(r["bytes"]), f"{more['reads']} reads, {_kb(more['bytes'])}"]
         for place, r, more in reads])  # fmt: skip
    return (
        f"{point['payload_bytes'] / 1e9:.1f} GB, {short(point['records'])} records, {point['segments']} segments, together "
        f"{_mb(point['segment_bytes'])}, database {_kb(point['metadata_bytes'])}: open in {_ms(point['open_ms'])}, with a "
        f"cold page cache {_ms(point['open_cold_ms'])}, memory {_mb(point['memory_bytes'])}\n\n{table}"
    )


def _table(head: tuple, rows: list[list[str]]) -> str:
    lines = [head, ["---:"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _number(value: float) -> str:
    return f"{float(f'{value:.3g}'):,.0f}"


def _rate(point: dict) -> str:
    return _number(point["consumed_records_per_s"])


def _cpu(point: dict) -> str:
    return f"{point['cpu_us_per_record']:.2f} µs"


def _ms(value: float) -> str:
    return f"{value:.0f} ms" if value >= 10 else f"{value:.2f} ms"


def _mb(value: float) -> str:
    return f"{value / 1e6:,.0f} MB"


def _kb(value: float) -> str:
    return _mb(value) if value >= 1e7 else f"{value / 1e3:,.0f} kB"
