"""Runs one job and brings what it printed into one form."""

import json
import os
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from .scenarios import DISK, FLOOR_RAW, LATENCY_SECONDS, PRODUCT, Job, record_count

TIME_LIMIT = 900
CONSUMER_BATCH = 1000


class RunFailed(Exception):
    """The run gave no figures, or its figures are of a log that was not in order."""


class Systems:
    """Knows how each system is run. All data is below one folder, so that all use the same file system."""

    def __init__(self, shardline: Path, folder: Path, scale: float):
        self.shardline = shardline
        self.folder = folder
        self.scale = scale
        self.run_script = Path(__file__).resolve().parent.parent / "run.sh"

    def build(self, systems) -> None:
        names = sorted({name.split("-")[0] for name in systems if name != PRODUCT})
        if names:
            self._call([str(self.run_script), "build", *names])

    def measure(self, job: Job) -> dict:
        """What the system printed, and the share of all cores that others used meanwhile."""
        # What was written before, by whomever, must not be flushed during this run.
        os.sync()
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=f"{job.system}.") as data:
            before = _usage()
            raw = _last_json(self._call(self._command(job, data)))
            others = _used_by_others(before, _usage())
        _check(job, raw)
        return {"raw": raw, "others": others}

    def version(self) -> str:
        return self._call([str(self.shardline), "--version"]).strip()

    def _command(self, job: Job, data: str) -> list:
        if job.system == PRODUCT:
            return self._product_command(job, data)
        if job.system == DISK:
            return [str(self.run_script), "raw", "--seconds", "1", "--only", "prezero_1024K"]
        return self._peer_command(job)

    def _product_command(self, job: Job, data: str) -> list:
        scenario = job.scenario
        command = [str(self.shardline), "bench", "--json", "--data", data]
        command += ["--records", str(record_count(job, self.scale)), "--size", str(scenario.record_bytes)]
        command += ["--shards", str(scenario.shards), "--producers", str(scenario.producers)]
        command += ["--batch", str(scenario.batch), "--consumer-batch", str(CONSUMER_BATCH)]
        command += ["--durability", "synced" if scenario.durable else "interval:1s"]
        if scenario.rate:
            command += ["--rate", str(scenario.rate)]
        if not scenario.compressible:
            command.append("--random")
        return command

    def _peer_command(self, job: Job) -> list:
        scenario = job.scenario
        command = [str(self.run_script), job.system.split("-")[0]]
        command += ["--records", str(record_count(job, self.scale)), "--size", str(scenario.record_bytes)]
        command += ["--shards", str(scenario.shards), "--producers", str(scenario.producers)]
        command += ["--batch", str(scenario.batch), "--cbatch", str(CONSUMER_BATCH)]
        command += ["--durability", "always" if scenario.durable else "none"]
        if scenario.rate:
            command += ["--latency-seconds", str(LATENCY_SECONDS), "--latency-rate", str(scenario.rate)]
        else:
            command += ["--latency-seconds", "0"]
        if job.system == FLOOR_RAW:
            command += ["--variant", "raw"]
        return command

    def _call(self, command: list) -> str:
        environment = dict(os.environ, PEER_TMP=str(self.folder))
        # A group of its own, so that a time limit ends the servers too.
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
        )
        try:
            output, error = process.communicate(timeout=TIME_LIMIT)
        except BaseException as reason:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if isinstance(reason, subprocess.TimeoutExpired):
                raise RunFailed(f"no end after {TIME_LIMIT} s: {' '.join(command)}") from None
            raise
        if process.returncode:
            lines = (error or output).strip().splitlines() or ["no message"]
            raise RunFailed(f"{lines[-1][:300]} (exit code {process.returncode})")
        return output


def _last_json(output: str) -> dict:
    lines = output.strip().splitlines()
    try:
        return json.loads(lines[-1])
    except (IndexError, ValueError):
        raise RunFailed(f"expected a line of JSON, got {output[-200:]!r}") from None


def _check(job: Job, raw: dict) -> None:
    if job.system == PRODUCT and not (raw["ordered"] and raw["lost"] == 0 and raw["duplicates"] == 0):
        raise RunFailed(f"ordered {raw['ordered']}, {raw['lost']} lost, {raw['duplicates']} duplicates")
    if job.system not in (PRODUCT, DISK) and not raw["complete"]:
        raise RunFailed("records are missing")


def figures(job: Job, run: dict) -> dict:
    """The figures that all systems have, under the same names; those that a run does not have are left out."""
    if job.system == PRODUCT:
        found = _product_figures(run["raw"])
    elif job.system == DISK:
        found = {"megabytes": run["raw"]["prezero_1024K"]["MBps"]}
    else:
        found = _peer_figures(run["raw"])
    # At a fixed rate only latency and CPU say something; as fast as it goes it says only how long the queues are.
    if job.scenario.rate:
        found = {name: value for name, value in found.items() if name.startswith("latency")}
    elif job.system == PRODUCT:
        found = {name: value for name, value in found.items() if not name.startswith("latency")}
    return {name: value for name, value in found.items() if value is not None}


def _product_figures(raw: dict) -> dict:
    acknowledged = raw.get("put_ack_ms") or {}
    latency = raw.get("latency_ms") or {}
    rate = raw["consumed_records_per_s"]
    return {
        "put_rate": raw["put_records_per_s"],
        "rate": rate,
        "megabytes": rate * raw["record_bytes"] / 1e6,
        "cpu_us": raw["cpu_us_per_record"],
        "ack_p50": acknowledged.get("p50"),
        "ack_p99": acknowledged.get("p99"),
        "latency_p50": latency.get("p50"),
        "latency_p99": latency.get("p99"),
        "latency_cpu_us": raw["cpu_us_per_record"],
        "disk_ratio": raw["disk_bytes"] / (raw["records"] * raw["record_bytes"]),
        "memory": raw["peak_rss_bytes"] / 2**20,
    }


def _peer_figures(raw: dict) -> dict:
    def milliseconds(name):
        return raw[name] / 1000 if name in raw else None

    return {
        "put_rate": raw["put_rps"],
        "rate": raw["e2e_rps"],
        "megabytes": raw["e2e_MBps"],
        "cpu_us": raw["cpu_us_per_rec"],
        "ack_p50": milliseconds("put_p50_us"),
        "ack_p99": milliseconds("put_p99_us"),
        "latency_p50": milliseconds("lat_p50_us"),
        "latency_p99": milliseconds("lat_p99_us"),
        "latency_cpu_us": raw.get("lat_cpu_us_per_rec"),
        "disk_ratio": raw["disk_ratio"],
        "memory": raw["peak_rss_MB"],
    }


def _usage() -> tuple:
    """Now, and the processor seconds so far: of the whole machine, and of our children that have ended."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, interrupts, soft, stolen = (int(word) for word in file.readline().split()[1:9])
    machine = (user + nice + system + interrupts + soft + stolen) / os.sysconf("SC_CLK_TCK")
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic(), machine, children.ru_utime + children.ru_stime


def _used_by_others(before: tuple, after: tuple) -> float:
    seconds, machine, ours = (b - a for a, b in zip(before, after))
    return max(0.0, (machine - ours) / (seconds * os.cpu_count()))


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
