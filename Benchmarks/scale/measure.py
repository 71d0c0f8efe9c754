#!/usr/bin/env python3
"""Measures how Shardline's cost grows with records, shards, streams and mappings, and writes points.json.

    ./measure.py                               # everything, about twenty minutes; 30 GB should be free
    ./measure.py --only shards,idle            # some of it; the other points stay as they are
    ./measure.py --scale 0.01 --write /tmp/p   # a quick look whether it works

Each point is the median of three runs, each in a directory of its own. plot.py draws the points.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "peers"))

from comparison.conditions import conditions  # noqa: E402
from scaling import growing  # noqa: E402
from scaling.large import large  # noqa: E402
from scaling.product import Product  # noqa: E402

SERIES = ("records", "opening", "shards", "batch", "waking", "idle", "streams", "mappings", "large")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measures how Shardline's cost grows.")
    parser.add_argument("--shardline", type=Path, default=HERE.parent.parent / ".build/release/shardline")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="where stores are made: a real disk")
    parser.add_argument("--write", type=Path, default=HERE / "points.json")
    parser.add_argument("--only", default=",".join(SERIES), help=f"of {', '.join(SERIES)}")
    parser.add_argument("--scale", type=float, default=1, help="factor on records and times")
    parser.add_argument("--large", type=float, default=20, help="GB of the large store")
    parser.add_argument("--large-seconds", type=float, default=360, help="how long it may grow")
    parser.add_argument("--lock", help="a file that is locked while measuring, for others to wait for")
    parser.add_argument("--patience", type=float, default=300, help="seconds to wait, in all, for other processes to rest")
    chosen = parser.parse_args()
    chosen.only = chosen.only.split(",")
    if unknown := set(chosen.only) - set(SERIES):
        parser.error(f"--only takes {', '.join(SERIES)}, not {', '.join(unknown)}")
    if not chosen.shardline.exists():
        parser.error(f"there is no {chosen.shardline}: run `make build`, or say --shardline PATH")
    if "large" in chosen.only and not shutil.which("strace"):
        parser.error("the large store is opened under strace: install it, or leave `large` out of --only")
    return chosen


def warm(folder: Path, size: int):
    """Memory that a virtual machine has not used yet is slow at the first touch: let the page cache have it once."""
    path = folder / "scale-warm"
    block = b"\1" * (1 << 20)
    try:
        with open(path, "wb") as file:
            for _ in range(size >> 20):
                file.write(block)
    finally:
        path.unlink(missing_ok=True)
    os.sync()


def rounded(value):
    if isinstance(value, dict):
        return {name: rounded(part) for name, part in value.items()}
    if isinstance(value, list):
        return [rounded(part) for part in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def text(found: dict) -> str:
    """JSON with a line for each point."""
    lines = []
    for name, series in rounded(found).items():
        points = series["points"] or []
        head = json.dumps({"conditions": series["conditions"], "others": series["others"]})[1:-1]
        body = ",\n  ".join(json.dumps(point) for point in points)
        lines.append(f'"{name}": {{{head}, "points": [\n  {body}]}}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main():
    chosen = arguments()
    product = Product(chosen.shardline, chosen.folder, chosen.lock, chosen.patience)
    version = subprocess.run([product.command, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    found = json.loads(chosen.write.read_text(encoding="utf-8")) if chosen.write.exists() else {}
    with product.alone():
        warm(chosen.folder, int(4 * chosen.scale * (1 << 30)))
    for name in SERIES:
        if name not in chosen.only:
            continue
        product.share_of_others()
        if name == "large":
            points = large(product, int(chosen.large * 1e9 * chosen.scale), chosen.large_seconds)
        else:
            points = getattr(growing, name)(product, chosen.scale)
        found[name] = {
            "conditions": conditions(chosen.folder, version),
            "others": product.share_of_others(),
            "points": points,
        }
        chosen.write.write_text(text(found), encoding="utf-8")


if __name__ == "__main__":
    main()
