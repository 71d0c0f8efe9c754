"""One large store: what opening it takes, and what is read then."""

import shutil
import statistics
import subprocess
import time

from .product import Product, disk_bytes, memory_bytes

CHUNK = 4_000_000_000
RECORD = 1_000
SPARE = 5_000_000_000


def large(product: Product, wanted: int, seconds: float) -> list[dict]:
    """Grows a store of records that don't compress to `wanted` bytes, as far as the disk and the time allow."""
    free = shutil.disk_usage(product.folder).free
    target = wanted if free >= wanted + SPARE else min(wanted, 5_000_000_000)
    if free < target + SPARE:
        print(f"no large store: only {free / 1e9:.0f} GB are free", flush=True)
        return []
    with product.fresh() as data:
        product.run("stream", "create", "s", "--shards", "4", data=data)
        product.run("stream", "create", "empty", data=data)
        deadline, stored = time.monotonic() + seconds, 0
        while stored < target and time.monotonic() < deadline:
            with product.alone():
                stored += _grow(product, data, min(CHUNK, target - stored))
            print(f"large store: {stored / 1e9:.0f} GB", flush=True)
        warm = product.open_times("s", data, 5)
        cold = product.open_times("s", data, 5, cold=True)
        with product.running("tail", "s", "--follow", "--from", "latest", data=data) as process:
            product.wait_open(process, data)
            memory = memory_bytes(process.pid)
        # What the opening reads is what a look at an empty stream reads; one at the large stream finds its oldest record.
        reads, more = product.trace_open("empty", data), product.trace_open("s", data)
        return [{
            "payload_bytes": stored, "records": stored // RECORD, "open_ms": statistics.median(warm),
            "open_cold_ms": statistics.median(cold), "memory_bytes": memory, **disk_bytes(data),
            "opening_reads": reads, "describing_reads": more, "opens": warm, "opens_cold": cold,
        }]  # fmt: skip


def _grow(product: Product, data, payload: int) -> int:
    random = f"head -c {payload // RECORD * RECORD * 3 // 4} /dev/urandom | base64 -w {RECORD}"
    with subprocess.Popen(["sh", "-c", random], stdout=subprocess.PIPE) as lines:
        product.run("put", "s", data=data, stdin=lines.stdout)
    return payload // RECORD * RECORD
