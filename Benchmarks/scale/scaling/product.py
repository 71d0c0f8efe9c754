"""Runs the command `shardline` and says what that took."""

import collections
import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

CATCH_UP_LIMIT = 60


def median(runs: list[dict]) -> dict:
    """Of each figure the median over the runs."""
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


class Product:
    def __init__(self, command: Path, folder: Path, lock: str | None, patience: float):
        self.command = str(command)
        self.folder = folder
        self.lock = lock
        self.patience = patience
        self.elapsed = 0.0
        self.others = 0.0
        """Processor seconds of other processes and of the kernel's flushing, while something was measured."""

    @contextlib.contextmanager
    def alone(self):
        """Holds the lock, if there is one, so that builds and other benchmarks wait."""
        if self.lock is None:
            yield
            return
        with open(self.lock, "a", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def measured(self):
        """As `alone`, and notes how busy the machine was with other things."""
        with self.alone():
            os.sync()
            self._wait_for_quiet()
            begun, all_before, mine_before = time.monotonic(), _busy_seconds(), sum(os.times()[:4])
            yield
            self.elapsed += time.monotonic() - begun
            self.others += _busy_seconds() - all_before - (sum(os.times()[:4]) - mine_before)

    @contextlib.contextmanager
    def fresh(self):
        """A directory for one point, removed afterwards."""
        directory = Path(tempfile.mkdtemp(prefix="scale-", dir=self.folder))
        try:
            yield directory
        finally:
            shutil.rmtree(directory)

    def run(self, *arguments: str, data: Path, **more) -> subprocess.CompletedProcess:
        done = subprocess.run(
            [self.command, *arguments, "--data", str(data)], capture_output=True, text=True, check=False, **more
        )
        if done.returncode != 0:
            raise SystemExit(f"shardline {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}")
        return done

    def _wait_for_quiet(self):
        """Until other processes leave the machine nearly idle, as long as there is patience left."""
        while self.patience > 0:
            before = _busy_seconds()
            time.sleep(0.4)
            if _busy_seconds() - before < 0.4 * 0.15 * os.cpu_count():
                return
            time.sleep(0.6)
            self.patience -= 1

    def share_of_others(self) -> float:
        """The share of all cores that others used since this was asked last."""
        share = max(0.0, self.others / max(self.elapsed, 1e-9) / os.cpu_count())
        self.elapsed = self.others = 0.0
        return share

    def bench(self, **options) -> dict:
        """One run of the bench, in a directory of its own."""
        arguments = [text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", str(value))]
        with self.fresh() as data, self.measured():
            report = json.loads(self.run("bench", *arguments, "--json", data=data).stdout)
        if report["violations"] or not report["ordered"] or report["lost"] or report["duplicates"]:
            raise SystemExit(f"a bench with {options} was not clean: {report['violations']}")
        return report

    def open_times(self, stream: str, data: Path, times: int, cold: bool = False) -> list[float]:
        """Milliseconds of `stream describe`: the process's start, opening the store, one look, closing it."""
        found = []
        for _ in range(times):
            with self.measured():
                if cold:
                    forget(data)
                found.append(self.open_time(stream, data))
        return found

    def open_time(self, stream: str, data: Path) -> float:
        begun = time.monotonic()
        self.run("stream", "describe", stream, "--json", data=data)
        return (time.monotonic() - begun) * 1e3

    @contextlib.contextmanager
    def running(self, *arguments: str, data: Path, **more):
        """A process that has the store open, until the end of the block; then it is asked to end."""
        process = subprocess.Popen(
            [self.command, *arguments, "--data", str(data)],
            stdin=more.get("stdin", subprocess.DEVNULL), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.wait()

    def wait_open(self, process: subprocess.Popen, data: Path):
        """Until the process owns the store and has come to rest."""
        deadline = time.monotonic() + CATCH_UP_LIMIT
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise SystemExit(f"{process.args} ended early with {process.returncode}")
            before = processor_seconds(process.pid)
            time.sleep(0.3)
            if (data / "owner.sock").exists() and processor_seconds(process.pid) == before:
                return
        raise SystemExit(f"{process.args} has not come to rest")

    def trace_open(self, stream: str, data: Path) -> dict:
        """What opening reads, by place: calls and bytes; and how often files are opened there."""
        with tempfile.NamedTemporaryFile("r", dir=self.folder) as log:
            subprocess.run(
                ["strace", "-f", "-e", "trace=pread64,preadv,preadv2,read,openat", "-y", "-s", "0", "-o", log.name,
                 self.command, "stream", "describe", stream, "--json", "--data", str(data)],
                check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            return count_reads(log.read().splitlines(), data.resolve())


def count_reads(lines: list[str], data: Path) -> dict:
    found = {place: collections.Counter() for place in ("journal", "sqlite", "segments")}
    unfinished = {}
    for line in lines:
        thread, _, call = line.partition(" ")
        if call.rstrip().endswith("<unfinished ...>"):
            unfinished[thread] = call.rstrip()[: -len("<unfinished ...>")]
            continue
        resumed = re.search(r"<\.\.\. \w+ resumed>(.*)", call)
        if resumed and thread in unfinished:
            call = unfinished.pop(thread) + resumed[1]
        if str(data) not in call or " = -1" in call:
            continue
        place = next((name for name in ("journal", "segments") if f"{data}/{name}/" in call), "sqlite")
        if place == "sqlite" and "metadata.sqlite" not in call:
            continue
        result = re.search(r"\) += (\d+)", call)
        if call.lstrip().startswith("openat"):
            found[place]["opened"] += 1
        elif result:
            found[place]["reads"] += 1
            found[place]["bytes"] += int(result[1])
    return {place: {name: counts[name] for name in ("opened", "reads", "bytes")} for place, counts in found.items()}


def forget(data: Path):
    """Takes the store's files out of the page cache, as if the machine had just started."""
    os.sync()
    for path in files(data):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def files(data: Path, folder: str = "") -> list[Path]:
    return [path for path in (data / folder).rglob("*") if path.is_file()]


def disk_bytes(data: Path) -> dict:
    """What the store's files take on the disk."""

    def sizes(paths):
        return sum(path.stat().st_blocks * 512 for path in paths)

    return {
        "journal_bytes": sizes(files(data, "journal")),
        "segment_bytes": sizes(files(data, "segments")),
        "metadata_bytes": sizes(data.glob("metadata.sqlite*")),
        "segments": len(files(data, "segments")),
    }


def processor_seconds(process: int) -> float:
    """What a process has used so far, with its threads that have ended, in hundredths of a second."""
    values = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")


def memory_bytes(process: int) -> int:
    """The most memory that the process has had."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process}/status").read_text(encoding="utf-8"))[1]) * 1024


def _busy_seconds() -> float:
    user, nice, system, _, _, irq, softirq, *_ = map(int, Path("/proc/stat").read_text(encoding="ascii").split()[1:9])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
