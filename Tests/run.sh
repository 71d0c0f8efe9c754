#!/bin/bash
# Runs the tests that are built: each target in a process of its own, one of its tests after the other.
#
# First the targets of Rooms, WholeSystem and TestsOfTests, as many at once as there are processors: they start no process
# and need no clock of the system (a house rule holds it). Then those of RealTime, three at once: they wait for processes
# more than they compute, and none depends on how fast they are. RealClientTests and CommandTests take the longest: these
# begin first, the latter as two. Within a target nothing else runs side by side.
#
# With names of targets only those: Tests/run.sh EventSourceTests CommandTests
# Ends with 1 where a test has failed, or a target has none.
set -uo pipefail
cd "$(dirname "$0")/.."
# Those that were built last, by `make test` or with other traits.
program=''
for built in .build/full/debug .build/debug; do
    built=$PWD/$built/shardlinePackageTests.xctest
    if [ -x "$built" ] && { [ -z "$program" ] || [ "$built" -nt "$program" ]; }; then program=$built; fi
done
[ -n "$program" ] || { echo "build the tests first: make test, or swift build --build-tests" >&2; exit 1; }
logs=$(mktemp -d)
memory=''
trap 'exit 143' TERM INT
trap 'rm -rf "$logs" ${memory:+"$memory"}' EXIT

# What tests write goes into memory where there is room for it, direct I/O, and the right to execute: a store syncs often,
# and only CrashTests is about what is on a disk.
if [ "$(df --output=avail -k /dev/shm 2>/dev/null | tail -1)" -gt $((2 << 20)) ] 2>/dev/null; then
    memory=$(mktemp -d /dev/shm/shardline-XXXX) || memory=''
    printf '#!/bin/sh\n' >"$memory/probe" && chmod +x "$memory/probe"
    if ! "$memory/probe" 2>/dev/null ||
        ! dd if=/dev/zero of="$memory/direct" bs=4096 count=1 oflag=direct 2>/dev/null; then
        rm -rf "$memory"
        memory=''
    fi
fi

# The targets below these folders, the largest first.
targets() {
    for folder in "$@"; do
        for target in Tests/"$folder"/*Tests; do
            echo "$(find "$target" -name '*.swift' -exec cat {} + | wc -c) ${target##*/}"
        done
    done | sort -rn | cut -d' ' -f2
}

# Runs one target, or the suites of it whose names begin so (CommandTests.[A-E]), and prints what it has said when it has
# ended.
run() {
    local target=${1%%.*} log=$logs/$1 began=$SECONDS status=0 folder=$memory filter="^${1/./\\.}"
    [ "$1" != "$target" ] || filter="^$target\\."
    [ "$target" != CrashTests ] || folder=''
    # The shell has what runs in its background ignore these signals; tests send them.
    env --default-signal=INT,QUIT ${folder:+"TMPDIR=$folder"} \
        "$program" --testing-library swift-testing --no-parallel --filter "$filter" >"$log" 2>&1 </dev/null ||
        status=$?
    ! grep -q 'Test run with 0 tests' "$log" || status=1
    echo "$1 $((SECONDS - began)) $status" >>"$logs/ended"
    flock "$logs" cat "$log"
    return $((status != 0))
}

# Runs the wanted ones of these targets, at most this many at once. The others go on where one fails.
side_by_side() {
    local lanes=$1 running=0 target
    shift
    for target in "$@"; do
        [ -z "$wanted" ] || [[ " $wanted " == *" ${target%%.*} "* ]] || continue
        if [ $running -ge "$lanes" ]; then
            wait -n || failed=1
            running=$((running - 1))
        fi
        run "$target" &
        running=$((running + 1))
    done
    for (( ; running > 0; running--)); do wait -n || failed=1; done
}

wanted="$*"
failed=0
began=$SECONDS
# shellcheck disable=SC2046 # Names of targets hold no spaces.
side_by_side "$(getconf _NPROCESSORS_ONLN)" $(targets Rooms WholeSystem TestsOfTests)
half=$((SECONDS - began))
# shellcheck disable=SC2046
side_by_side 3 $(targets RealTime | sed 's/^CommandTests$/CommandTests.[A-E]\nCommandTests.[F-Z]/; /^RealClientTests$/d; 1i RealClientTests')

echo
cat "$logs"/*Tests* | grep -E '^✘ Test (case|.* recorded)' | cut -c1-300
cat "$logs"/RealClientTests 2>/dev/null | grep -E '^➜ test_[a-z_]*\.py: ' | cut -c1-300
while read -r target seconds status; do
    [ "$status" = 0 ] && result=passed || result="FAILED ($status)"
    printf '%-24s %4d s  %s\n' "$target" "$seconds" "$result"
done <"$logs/ended"
for name in $wanted; do grep -qE "^$name(\.[^ ]*)? " "$logs/ended" || { echo "there is no target $name"; failed=1; }; done
count=$(cat "$logs"/*Tests* | sed -n 's/.*Test run with \([0-9]*\) tests\{0,1\} .*/\1/p' | awk '{ n += $1 } END { print n }')
[ $failed = 0 ] && result=passed || result=failed
echo "Test run with ${count:-0} tests in $(wc -l <"$logs/ended") targets $result after $((SECONDS - began)) seconds," \
    "$half of them in parallel."
exit $failed
