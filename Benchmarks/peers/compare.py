#!/usr/bin/env python3
"""Measures Shardline and its peers, interleaved, and prints the medians as Markdown.

    compare.py --set quick                                  100 B and 4 shards only
    compare.py --set table --write Documentation/Performance.md    the tables, into that page
    compare.py --set goals                                  each performance goal, and whether it is reached
    compare.py --set table --json > lines                   the raw lines, one a run
    compare.py --from lines                                 the tables of such lines, without measuring

Exit code 1 where a run failed, or its log was not in order.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from comparison import conditions as machine
from comparison import systems as running
from comparison.goals import goals_table
from comparison.results import Results
from comparison.scenarios import PRODUCT, SETS, TITLES, Job, Scenario
from comparison.tables import comparison_tables

BEGIN = "<!-- peers:begin -->"
END = "<!-- peers:end -->"
BUILT = Path(__file__).resolve().parents[2] / ".build/release/shardline"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=SETS, default="quick", help="what is measured (default: quick)")
    parser.add_argument("--rounds", type=int, default=3, help="how often (default: 3)")
    parser.add_argument("--scale", type=float, default=1, help="so many times the usual number of records")
    parser.add_argument("--systems", help="only these, such as shardline,limit,lmdb")
    parser.add_argument("--shardline", type=Path, default=BUILT, help="the program (default: what `make build` builds)")
    parser.add_argument("--tmp", type=Path, help="where data goes (default: a new folder in TMPDIR)")
    parser.add_argument("--nice", type=int, help="such as -15: what is measured goes first on a shared machine")
    parser.add_argument("--json", action="store_true", help="print the raw lines instead of the tables")
    parser.add_argument("--write", type=Path, metavar="FILE", help=f"put the tables between {BEGIN} and {END}")
    parser.add_argument("--from", type=Path, dest="lines", metavar="FILE", help="raw lines to make the tables of")
    options = parser.parse_args()
    if options.rounds < 1 or options.scale <= 0:
        parser.error("--rounds is at least 1, --scale above 0")
    return options


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def put_first(nice: int) -> None:
    os.setpriority(os.PRIO_PROCESS, 0, nice)
    if nice < 0:
        subprocess.run(["ionice", "-c", "realtime", "-n", "0", "-p", str(os.getpid())], check=False)


def chosen_jobs(options: argparse.Namespace) -> list:
    jobs = SETS[options.set]()
    if options.systems is None:
        return jobs
    wanted = options.systems.split(",")
    unknown = [name for name in wanted if name not in TITLES]
    if unknown:
        sys.exit(f"unknown system {unknown[0]}: expected some of {', '.join(TITLES)}")
    return [job for job in jobs if job.system in wanted]


def in_turn(jobs: list, number: int) -> list:
    """The jobs of one round: each scenario's systems one after the other, in each round another one first, so that
    none always follows the same one."""
    turned = []
    for scenario in dict.fromkeys(job.scenario for job in jobs):
        group = [job for job in jobs if job.scenario == scenario]
        first = number % len(group)
        turned += group[first:] + group[:first]
    return turned


def measure(options: argparse.Namespace, lines: list) -> None:
    """Adds a line for the conditions and one for each run, and prints them if asked to, as they come."""

    def add(line: dict) -> None:
        lines.append(line)
        if options.json:
            print(json.dumps(line), flush=True)

    jobs = chosen_jobs(options)
    if any(job.system == PRODUCT for job in jobs) and not options.shardline.is_file():
        sys.exit(f"there is no {options.shardline}: build it with `make build`, or say where it is with --shardline")
    folder = Path(tempfile.mkdtemp(prefix="shardline-peers.", dir=options.tmp))
    try:
        systems = running.Systems(options.shardline.resolve(), folder, options.scale)
        systems.build({job.system for job in jobs})
        version = systems.version() if any(job.system == PRODUCT for job in jobs) else "not measured"
        add({"conditions": machine.conditions(folder, version), "set": options.set, "rounds": options.rounds,
             "scale": options.scale})
        for number in range(options.rounds):
            for job in in_turn(jobs, number):
                say(f"round {number + 1} of {options.rounds}: {TITLES[job.system]}, {job.scenario.describe()}")
                add(measured_line(systems, job, number))
    finally:
        running.remove(folder)


def measured_line(systems: running.Systems, job: Job, number: int) -> dict:
    line = {"round": number + 1, "system": job.system, "scenario": asdict(job.scenario)}
    try:
        return {**line, **systems.measure(job)}
    except running.RunFailed as failure:
        say(f"  failed: {failure}")
        return {**line, "failure": str(failure)}


def collect(lines: list) -> Results:
    results = Results()
    for line in lines[1:]:
        job = Job(Scenario(**line["scenario"]), line["system"])
        if "failure" in line:
            results.add_failure(job, line["failure"])
        else:
            results.add(job, line)
    return results


def report(lines: list, results: Results) -> str:
    head = lines[0]
    text = [machine.describe(head["conditions"], results.runs, head["rounds"], head["scale"]), ""]
    text += goals_table(results) if head["set"] == "goals" else comparison_tables(results)
    if results.failures:
        text += ["", "Failed:", ""]
        failures = dict.fromkeys(results.failures)  # each once, however many rounds it failed in
        text += [f"- {TITLES[job.system]}, {job.scenario.describe()}: {reason}" for job, reason in failures]
    return "\n".join(text)


def place(text: str, between: str) -> str:
    """`between` with the text between its markers replaced."""
    before, begin, rest = between.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"there must be a line {BEGIN} and after it a line {END}")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def main() -> int:
    options = arguments()
    # What would be in vain is found out before anything is measured.
    if options.write:
        place("", options.write.read_text(encoding="utf-8"))
    if options.nice is not None:
        put_first(options.nice)
    lines = []
    if options.lines:
        lines = [json.loads(line) for line in options.lines.read_text(encoding="utf-8").splitlines()]
    else:
        try:
            measure(options, lines)
        except running.RunFailed as failure:
            sys.exit(str(failure))
    results = collect(lines)
    text = report(lines, results)
    if options.write and results.failures:
        say(f"{options.write} stays as it is, since runs failed")
    elif options.write:
        options.write.write_text(place(text, options.write.read_text(encoding="utf-8")), encoding="utf-8")
    if not options.json:
        print(text)
    return 1 if results.failures else 0


if __name__ == "__main__":
    sys.exit(main())
