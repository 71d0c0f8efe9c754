"""What is measured: the work, how many records each system gets of it, and the sets that compare.py offers."""

from dataclasses import dataclass

PRODUCT = "shardline"
FLOOR = "limit"
FLOOR_RAW = "limit-raw"
DISK = "raw"
PEERS = ("sqlite", "rocksdb", "lmdb", "redis")
TITLES = {
    PRODUCT: "Shardline",
    FLOOR: "C floor",
    FLOOR_RAW: "C floor without LZ4",
    DISK: "the disk alone",
    "sqlite": "SQLite",
    "rocksdb": "RocksDB",
    "lmdb": "LMDB",
    "redis": "Redis Streams",
}

LATENCY_RATE = 10_000
LATENCY_SECONDS = 3


@dataclass(frozen=True)
class Scenario:
    """The same work for all: producers put batches while consumers follow."""

    record_bytes: int = 100
    shards: int = 4
    durable: bool = True
    batch: int = 500
    producers: int = 4
    compressible: bool = True
    rate: int = 0
    """Records a second that one producer puts when they are due; 0: as fast as it goes."""

    def describe_size(self) -> str:
        return "1 KiB" if self.record_bytes == 1024 else f"{self.record_bytes} B"

    def describe(self) -> str:
        parts = [self.describe_size(), f"{self.shards:,} shard" + ("s" if self.shards != 1 else "")]
        parts.append("durable when acknowledged" if self.durable else "flushed later")
        if self.batch == 1:
            parts.append(f"one record a put, {self.producers} callers")
        if not self.compressible:
            parts.append("incompressible")
        if self.rate:
            parts.append(f"{self.rate:,} records/s")
        return ", ".join(parts)


@dataclass(frozen=True)
class Job:
    """One system doing one scenario."""

    scenario: Scenario
    system: str


SMALL = Scenario()
LATENCY = Scenario(producers=1, rate=LATENCY_RATE)
PACED = tuple(Scenario(record_bytes=200, shards=16, producers=1, rate=rate) for rate in (10_000, 50_000))
LARGE = Scenario(record_bytes=1024)
INCOMPRESSIBLE = Scenario(record_bytes=1024, compressible=False)
MANY_SHARDS = Scenario(shards=1024)
RELAXED = Scenario(durable=False)
SINGLE = Scenario(batch=1, producers=64)


def record_count(job: Job, scale: float) -> int:
    """As many as keep a run within some seconds, and enough for it to be past its start."""
    scenario = job.scenario
    if scenario.rate:
        # Peers put a few at full speed first; what is measured comes after that.
        count = scenario.rate * LATENCY_SECONDS if job.system == PRODUCT else 20_000
    elif scenario.batch == 1:
        count = 100_000
    elif job.system == "redis":
        count = 50_000 if scenario.record_bytes > 500 else 150_000
    elif scenario.record_bytes > 500:
        count = 100_000 if scenario.shards > 4 and job.system in PEERS else 300_000
    else:
        count = 200_000 if scenario.shards > 4 and job.system in PEERS else 1_000_000
    return max(1000, int(count * scale))


def _jobs(scenario: Scenario, systems: tuple) -> list:
    return [Job(scenario, system) for system in systems]


EVERYBODY = (FLOOR, PRODUCT) + PEERS


def _table() -> list:
    jobs = []
    for record_bytes in (100, 1024):
        for shards in (1, 4, 64, 1024):
            jobs += _jobs(Scenario(record_bytes=record_bytes, shards=shards), EVERYBODY)
    return jobs + _jobs(LATENCY, EVERYBODY)


def _goals() -> list:
    return (
        _jobs(SMALL, EVERYBODY)
        + _jobs(LARGE, (FLOOR, PRODUCT, "sqlite", "rocksdb", "lmdb"))
        + _jobs(INCOMPRESSIBLE, (FLOOR_RAW, PRODUCT, DISK))
        + _jobs(MANY_SHARDS, (PRODUCT,) + PEERS)
        + _jobs(RELAXED, EVERYBODY)
        + _jobs(SINGLE, (FLOOR, PRODUCT, "rocksdb"))
        + _jobs(LATENCY, (FLOOR, PRODUCT, "rocksdb"))
        + _paced()
    )


def _paced() -> list:
    return [job for scenario in PACED for job in _jobs(scenario, (FLOOR, PRODUCT, "rocksdb"))]


SETS = {
    "table": _table,
    "goals": _goals,
    "paced": _paced,
    "quick": lambda: _jobs(SMALL, EVERYBODY) + _jobs(LATENCY, EVERYBODY),
}
