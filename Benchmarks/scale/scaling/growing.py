"""Records, shards, streams, mappings: one function a question, each answers a list of points."""

import subprocess
import time
from pathlib import Path

from .product import Product, disk_bytes, median, memory_bytes, processor_seconds

RUNS = 3
IDLE_SECONDS = 10
FUNCTION = "while read -r line; do echo '{}'; done"


def of_bench(report: dict) -> dict:
    """What is kept of a bench's report."""
    return {
        "records": report["records"],
        "put_records_per_s": report["put_records_per_s"],
        "consumed_records_per_s": report["consumed_records_per_s"],
        "cpu_us_per_record": report["cpu_us_per_record"],
        "peak_memory_bytes": report["peak_rss_bytes"],
        "disk_bytes_per_byte": report["disk_bytes"] / (report["records"] * report["record_bytes"]),
        "metadata_bytes": report["metadata_bytes"],
        "invocations": report["invocations"],
        "latency_p50_ms": report["latency_ms"]["p50"],
        "latency_p99_ms": report["latency_ms"]["p99"],
    }


def _benches(product: Product, name: str, values, **settings) -> list[dict]:
    points = []
    for value in values:
        options = {"size": 100, "shards": 4, "records": 1_000_000, "consumer_batch": 1_000, **settings, name: value}
        runs = [of_bench(product.bench(**options)) for _ in range(RUNS)]
        points.append({**median(runs), name: value, "runs": runs})
        print(f"{name} {value}: {points[-1]['consumed_records_per_s']:,.0f} records/s", flush=True)
    return points


def records(product: Product, scale: float) -> list[dict]:
    return _benches(product, "records", [int(n * scale) for n in (100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)])


def shards(product: Product, scale: float) -> list[dict]:
    return _benches(product, "shards", (1, 4, 16, 64, 256, 1024, 4096, 10_000), records=int(1_000_000 * scale))


def batch(product: Product, scale: float) -> list[dict]:
    """The same four shards, and calls of more and more records."""
    return _benches(product, "batch", (5, 50, 500, 5_000), records=int(1_000_000 * scale))


def mappings(product: Product, scale: float) -> list[dict]:
    return _benches(product, "mappings", (1, 2, 4, 8), records=int(1_000_000 * scale))


def waking(product: Product, scale: float) -> list[dict]:
    """A hundred records a second, one by one: nearly each finds its shard idle."""
    points = []
    for count in (1, 100, 1_000, 10_000):
        runs = []
        for _ in range(RUNS):
            report = product.bench(size=100, shards=count, rate=100, producers=1, records=int(1_000 * scale))
            runs.append({f"latency_{name}_ms": value for name, value in report["latency_ms"].items()})
        points.append({"shards": count, **median(runs), "runs": runs})
        print(f"waking one of {count} shards: {points[-1]['latency_p50_ms']:.2f} ms", flush=True)
    return points


def idle(product: Product, scale: float) -> list[dict]:
    """A mapping on shards in which nothing happens."""
    points = []
    for count in (1, 100, 1_000, 10_000):
        runs = []
        for _ in range(RUNS):
            with product.fresh() as data:
                product.run("stream", "create", "s", "--shards", str(count), data=data)
                runs.append(_idle_run(product, data, max(1.0, IDLE_SECONDS * scale)))
        points.append({"shards": count, **median(runs), "runs": runs})
        print(f"{count} idle shards: {points[-1]['memory_bytes'] / 1e6:.0f} MB", flush=True)
    return points


def _idle_run(product: Product, data: Path, seconds: float) -> dict:
    with product.measured(), product.running("consume", "s", "--mapping", "m", "--exec", FUNCTION, data=data) as process:
        product.wait_open(process, data)
        time.sleep(1)
        before = processor_seconds(process.pid)
        time.sleep(seconds)
        used = processor_seconds(process.pid) - before
        return {"percent_of_a_core": used / seconds * 100, "memory_bytes": memory_bytes(process.pid)}


def streams(product: Product, scale: float) -> list[dict]:
    """Streams of one shard with ten records each."""
    points = []
    with product.fresh() as data:
        made = 0
        for count in (1, 10, 100, int(1_000 * scale)):
            _make_streams(product, data, made, count)
            made = count
            product.open_time("s0", data)
            opens = product.open_times("s0", data, 2 * RUNS - 1)
            runs = [_opened(product, "s0", data) for _ in range(RUNS)]
            points.append({"streams": count, "open_ms": _middle(opens), **median(runs), **disk_bytes(data),
                           "opens": opens, "runs": runs})  # fmt: skip
            print(f"{count} streams: open in {points[-1]['open_ms']:.0f} ms", flush=True)
    return points


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _make_streams(product: Product, data: Path, made: int, count: int):
    lines = "".join(f"record {n}\n" for n in range(10))
    if made == 0:
        product.run("stream", "create", "s0", data=data)
        product.run("put", "s0", "--key", "k", data=data, input=lines)
        made = 1
    # While one process has the store open the others ask it, which is quicker than opening it each time.
    with product.running("tail", "s0", "--follow", data=data) as owner:
        product.wait_open(owner, data)
        for begin in range(made, count, 100):
            with product.alone():
                for number in range(begin, min(begin + 100, count)):
                    product.run("stream", "create", f"s{number}", data=data)
                    product.run("put", f"s{number}", "--key", "k", data=data, input=lines)


def _opened(product: Product, stream: str, data: Path) -> dict:
    """The memory of a process that has the store open and waits."""
    with product.measured(), product.running("tail", stream, "--follow", "--from", "latest", data=data) as process:
        product.wait_open(process, data)
        return {"memory_bytes": memory_bytes(process.pid)}


def opening(product: Product, scale: float) -> list[dict]:
    """Stores of more and more records: opened after an orderly end, and after kill -9."""
    points = []
    for count in [0] + [int(n * scale) for n in (10_000, 100_000, 1_000_000, 5_000_000)]:
        killed, live = [], []
        for _ in range(RUNS):
            with product.fresh() as data, product.measured():
                _put_and_kill(product, data, count)
                live.append(disk_bytes(data)["journal_bytes"])
                killed.append(product.open_time("s", data))
        with product.fresh() as data:
            product.run("stream", "create", "s", "--shards", "4", data=data)
            with product.alone(), subprocess.Popen(_lines(count), stdout=subprocess.PIPE) as lines:
                product.run("put", "s", "--key-field", "key", data=data, stdin=lines.stdout)
            opens = product.open_times("s", data, 2 * RUNS - 1)
            runs = [_opened(product, "s", data) for _ in range(RUNS)]
            points.append({"records": count, "open_ms": _middle(opens), "open_after_kill_ms": _middle(killed),
                           "journal_bytes_after_kill": _middle(live), **median(runs), **disk_bytes(data),
                           "opens": opens, "opens_after_kill": killed, "runs": runs})  # fmt: skip
            print(f"{count} records: open in {points[-1]['open_ms']:.0f} ms, after a kill in "
                  f"{points[-1]['open_after_kill_ms']:.0f} ms", flush=True)  # fmt: skip
    return points


LINES = r"""awk 'BEGIN { for (i = 0; i < %d; i++)
    printf "{\"key\":\"k%%d\",\"n\":%%d,\"text\":\"a line that makes about one hundred bytes of JSON: %%d\"}\n",
           i %% 10000, i, i * 7919 %% 1000003 }'"""


def _lines(count: int) -> list[str]:
    return ["sh", "-c", LINES % count]


def _put_and_kill(product: Product, data: Path, count: int):
    """Puts the lines, and kills the process while it waits for more of them."""
    product.run("stream", "create", "s", "--shards", "4", data=data)
    endless = ["sh", "-c", LINES % count + "; exec sleep 1000"]
    with subprocess.Popen(endless, stdout=subprocess.PIPE) as lines:
        with product.running("put", "s", "--key-field", "key", data=data, stdin=lines.stdout) as process:
            product.wait_open(process, data)
            process.kill()
        lines.kill()
