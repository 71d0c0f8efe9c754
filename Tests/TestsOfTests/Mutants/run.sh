#!/bin/bash
# Breaks the decision core, the filters and the reader of aggregates on purpose, one line at a time: each mutant of mutants.txt must fail a test that
# cites the rule that it breaks. Works in a copy with a build folder of its own (MUTANTS_DIR, default .build/mutants), so that
# nothing here changes. With arguments only the mutants of those rules are run: Tests/TestsOfTests/Mutants/run.sh ESM-B3 ESM-A7
#
# Ends with 1 where a mutant lives, does not build, or no longer fits the source: the list must stay true.
set -euo pipefail
cd "$(dirname "$0")/../../.."
root=$PWD
copy=${MUTANTS_DIR:-$root/.build/mutants}
swift=${SWIFT:-swift}
# A mutant may never end, or eat memory without end: both are deaths.
seconds=60
kilobytes=8000000

mkdir -p "$copy"
rm -rf "$copy/Sources" "$copy/Tests" "$copy/examples"
cp -a Sources "$copy/Sources"
mkdir -p "$copy/Tests/Rooms/EventSourceTests" "$copy/Tests/Support" "$copy/examples"
cp -a Tests/Support/TestSupport Tests/Support/DeliveryModel Tests/Support/FilterModel "$copy/Tests/Support/"
mkdir -p "$copy/Tests/Rooms/StreamModelTests"
cp -a Tests/Rooms/StreamModelTests/AggregateTests.swift "$copy/Tests/Rooms/StreamModelTests/"
cp -a Tests/Rooms/EventSourceTests/Core Tests/Rooms/EventSourceTests/Filter "$copy/Tests/Rooms/EventSourceTests/"
cp -a examples/flights-2013-01.csv.gz "$copy/examples/"
cp -a Tests/TestsOfTests/Mutants/Package.swift "$copy/Package.swift"
cp -a Tests/TestsOfTests/Mutants/mutants.txt "$copy/mutants.txt"
cd "$copy"

# The n-th mutant of the list as the shell's variables rule, file, old and new; nothing after the last.
mutant() {
    python3 - "$1" <<'PYTHON'
import shlex, sys
blocks = [block.splitlines() for block in open("mutants.txt").read().split("\n\n")]
blocks = [[line for line in block if line and not line.startswith("#")] for block in blocks]
blocks = [block for block in blocks if block]
number = int(sys.argv[1])
if number >= len(blocks):
    sys.exit()
if len(blocks[number]) != 3 or len(blocks[number][0].split()) != 2:
    sys.exit(f"mutants.txt: not a mutant: {blocks[number]}")
head, old, new = blocks[number]
rule, file = head.split()
if not (old.startswith("- ") and (new.startswith("+ ") or new == "+")):
    sys.exit(f"mutants.txt: {head}: expected a line with '- ' and one with '+ '")
text = lambda line: line[2:].replace("\\n", "\n")
for name, value in (("rule", rule), ("file", file), ("old", text(old)), ("new", text(new))):
    print(f"{name}={shlex.quote(value)}")
PYTHON
}

# Puts `new` in the place of `old`, which must be there exactly once.
apply() {
    python3 - "$path" "$old" "$new" <<'PYTHON'
import sys
path, old, new = sys.argv[1:]
source = open(path).read()
if source.count(old) != 1:
    sys.exit(f"  found {source.count(old)} times instead of once in {path}:\n  {old}")
open(path, "w").write(source.replace(old, new))
PYTHON
}

build() { "$swift" build --build-tests >build.log 2>&1; }

# The tests that match $1, for at most $2 seconds: by their program itself, since `swift test`, ended by the clock, would
# leave its child running for ever.
tests() {
    (ulimit -v $kilobytes && exec timeout --kill-after=5 "$2" \
        .build/debug/shardlinePackageTests.xctest --testing-library swift-testing --filter "$1" >test.log 2>&1)
}

echo "building the core and its tests as they are"
build || { tail -20 build.log; exit 1; }
tests 'EventSourceTests|StreamModelTests' 300 || { grep -E '✘|↳' test.log | head -20; echo "the tests fail without any mutant"; exit 1; }

killed=0
bad=0
number=0
wanted=" $* "
while true; do
    # A list that can't be read ends the run.
    variables=$(mutant $number)
    [ -n "$variables" ] || break
    number=$((number + 1))
    eval "$variables"
    [ "$wanted" = "  " ] || [[ "$wanted" == *" $rule "* ]] || continue
    label="$number $rule ${file##*/}: ${new%%$'\n'*}"
    case $file in
        StreamModel/* | DataFormats/*) path=Sources/$file ;;
        *) path=Sources/EventSource/$file ;;
    esac
    cp -a "$path" original
    if ! apply; then
        echo "UNTRUE  $label"
        bad=$((bad + 1))
    elif ! build; then
        echo "NO BUILD $label"
        grep -m 3 error: build.log || true
        bad=$((bad + 1))
    else
        status=0
        tests "$rule[^0-9a-z]" $seconds || status=$?
        if grep -q 'with 0 tests' test.log; then
            echo "NO TEST cites $rule: $label"
            bad=$((bad + 1))
        elif [ $status = 0 ]; then
            echo "LIVES   $label"
            bad=$((bad + 1))
        # By a test that failed, by a trap or another signal, or by the clock.
        elif grep -q 'recorded an issue' test.log || [ $status -ge 128 ] || [ $status = 124 ]; then
            echo "killed  $label"
            killed=$((killed + 1))
        else
            echo "NO RUN  $label"
            tail -3 test.log
            bad=$((bad + 1))
        fi
    fi
    cp original "$path"
done

echo "$killed mutants killed, $bad not"
[ $bad -eq 0 ] && [ $killed -gt 0 ]
