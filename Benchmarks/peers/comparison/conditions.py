"""Under which conditions was measured."""

import datetime
import os
import platform
import re
import statistics
from pathlib import Path

from .scenarios import DISK, PRODUCT, TITLES


def conditions(folder: Path, version: str) -> dict:
    return {
        "date": datetime.date.today().isoformat(),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": _system(),
        "kernel": re.match(r"[0-9.]*[0-9]", platform.release())[0],  # without what its builder added
        "file_system": _file_system(folder),
        "shardline": version,
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model"):
            return " ".join(value.split())
    return platform.machine()


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, AttributeError, KeyError):
        return platform.system()


def _file_system(folder: Path) -> str:
    """The type of the file system that holds the folder: of the mount point with the longest path above it."""
    target = folder.resolve()
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text(encoding="utf-8", errors="replace").splitlines():
        _, point, found, *_ = line.split()
        if len(point) >= len(best) and (target == Path(point) or Path(point) in target.parents):
            best, kind = point, found
    return kind


def describe(found: dict, runs: list, rounds: int, scale: float) -> str:
    """Some sentences for above the tables. `runs` are pairs of a job and what it gave."""
    peers = {}
    for job, run in runs:
        if job.system not in (PRODUCT, DISK, "limit", "limit-raw"):
            peers[TITLES[job.system]] = run["raw"]["version"]
    versions = ", ".join(f"{name} {version}" for name, version in peers.items())
    others = [run["others"] for _, run in runs]
    text = (
        f"{found['date']}, {found['cores']} cores of {found['processor']}, {found['memory_gib']} GiB, "
        f"{found['system']}, Linux {found['kernel']}, {found['file_system']}. Shardline {found['shardline']}"
        f"{', ' + versions if versions else ''}. "
        f"Medians of {rounds} interleaved round{'s' if rounds != 1 else ''}"
    )
    if scale != 1:
        text += f", with {scale:g} times the usual number of records"
    if others:
        text += (
            f"; other processes and the kernel's flushing used {statistics.median(others):.0%} of all cores "
            f"(median of the runs; most: {max(others):.0%})"
        )
    return text + "."
