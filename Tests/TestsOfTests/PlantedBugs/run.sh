#!/bin/bash
# Plants the bugs of bugs.txt in the product, one at a time, in a copy with a build folder of its own (PLANTED_DIR,
# default .build/planted), and looks whether the simulation finds them, first by its seeds, then by its crash points.
# With arguments only the bugs whose names contain one of them: Tests/TestsOfTests/PlantedBugs/run.sh 'ring' 'sync of a segment'
#
# LOCK: a file to hold locked while a bug is built and looked for, for machines that several people use.
# Ends with 1 where a bug is not found in LIMIT seconds (default 120), does not build, or no longer fits the source.
set -euo pipefail
cd "$(dirname "$0")/../../.."
root=$PWD
copy=${PLANTED_DIR:-$root/.build/planted}
swift=${SWIFT:-swift}
limit=${LIMIT:-120}
# Children must not inherit the lock: one that stays behind would keep it.
lock() { if [ -n "${LOCK:-}" ]; then exec 9>"$LOCK" && flock 9; fi; }
unlock() { if [ -n "${LOCK:-}" ]; then flock -u 9; fi; }

mkdir -p "$copy"
rm -rf "$copy/Sources" "$copy/Tests" "$copy/examples"
cp -a Sources Tests examples Package.swift "$copy/"
[ ! -f Package.resolved ] || cp -a Package.resolved "$copy/"
cp Tests/TestsOfTests/PlantedBugs/bugs.txt "$copy/bugs.txt"
cd "$copy"

cat >plant.py <<'PYTHON'
"""plant.py names: the bugs' names; plant.py apply N: plants one and names its files, a line each."""
import sys

def bugs():
    for block in open("bugs.txt").read().split("\n\n"):
        lines = [line for line in block.splitlines() if line and not line.startswith("#")]
        if not lines:
            continue
        name, changes, file = lines[0], [], None
        for line in lines[1:]:
            text = line[2:].replace("\\n", "\n")
            if line.startswith("- "):
                changes.append([file, text, None])
            elif line.startswith("+ ") and changes and changes[-1][2] is None:
                changes[-1][2] = text
            elif line.endswith(".swift"):
                file = "Sources/" + line
            else:
                sys.exit(f"bugs.txt: {name}: what is '{line}'?")
        if not changes or any(None in change for change in changes):
            sys.exit(f"bugs.txt: {name}: a change is not whole")
        yield name, changes

if sys.argv[1] == "names":
    print("\n".join(name for name, _ in bugs()))
else:
    name, changes = list(bugs())[int(sys.argv[2])]
    for file, old, new in changes:
        source = open(file).read()
        if source.count(old) != 1:
            sys.exit(f"found {source.count(old)} times instead of once in {file}: {old}")
        open(file, "w").write(source.replace(old, new))
        print(file)
PYTHON

build() { "$swift" build --product simulate >build.log 2>&1 9>&-; }

lock
echo "building the product as it is"
build || { tail -20 build.log; exit 1; }
timeout 120 .build/debug/simulate --seconds 5 --seed 1 9>&- || { echo "the simulation fails without any bug"; exit 1; }
unlock

found=0
missed=0
number=-1
while read -r name; do
    number=$((number + 1))
    if [ $# -gt 0 ]; then
        wanted=''
        for word in "$@"; do [[ "$name" != *"$word"* ]] || wanted=yes; done
        [ -n "$wanted" ] || continue
    fi
    lock
    if ! files=$(python3 plant.py apply $number 2>&1); then
        echo "UNTRUE    $name: $files"
        missed=$((missed + 1))
    elif ! build; then
        echo "NO BUILD  $name"
        grep -m 3 error: build.log || true
        missed=$((missed + 1))
    else
        began=$(date +%s.%N)
        how=''
        for way in "--seconds $((limit * 2 / 3)) --seed 1 --no-shortening" "--crash-points --seconds 0"; do
            left=$(python3 -c "import time; print(max(1, int($limit - time.time() + $began)))")
            status=0
            timeout --kill-after=5 "$left" .build/debug/simulate $way >run.log 2>&1 9>&- || status=$?
            # 124 and 137: it was not through in time, which by itself finds nothing.
            if [ $status -ne 0 ] && [ $status -ne 124 ] && [ $status -ne 137 ]; then how=${way%% --s*}; break; fi
        done
        seconds=$(python3 -c "import time; print(f'{time.time() - $began:.1f}')")
        what=$(grep -m 1 -E '^(seed|history) [0-9]+:' run.log | cut -c1-150 || tail -1 run.log | cut -c1-150)
        if [ -n "$how" ]; then
            [ "$how" = --crash-points ] && how='crash points' || how=seeds
            echo "found     $name | $how | $seconds s | $what"
            found=$((found + 1))
        else
            echo "MISSED    $name"
            missed=$((missed + 1))
        fi
    fi
    unlock
    for file in $(printf '%s\n' "$files" | grep '^Sources/' | sort -u); do cp -a "$root/$file" "$file"; done
done < <(python3 plant.py names)

echo "$found bugs found, $missed not"
[ $missed -eq 0 ] && [ $found -gt 0 ]
