#!/bin/bash
# Counts allocations per record (see Driver/Main.swift), and proves that the count can fail: the same run with one
# planted allocation a record must break every limit. Ends with 1 where the real run breaks one or the planted one
# keeps one.
set -euo pipefail
cd "$(dirname "$0")/../.."
swift=${SWIFT:-swift}
build=${BUILD:-.build}
export SHARDLINE_BENCHMARKS=1

"$swift" build --scratch-path "$build" -c release --product AllocationsPerRecord
driver=$("$swift" build --scratch-path "$build" -c release --show-bin-path)/AllocationsPerRecord
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${CC:-cc}" -O2 -Wall -Wextra -Werror -shared -fPIC -o "$work/malloc_counter.so" Benchmarks/Allocations/malloc_counter.c

# Prints the table and answers how the driver ended: 0 all limits kept, 1 one broken, anything else nothing measured.
run() {
    local status=0
    TMPDIR=$work LD_PRELOAD=$work/malloc_counter.so "$driver" "$@" | tee "$work/table" || status=$?
    [ "$status" -le 1 ] || exit 1
    return "$status"
}

echo 'As it is:'
run || { echo 'Too many allocations.'; exit 1; }
echo
echo 'With one planted allocation a record, which must break every limit:'
if run --plant; then
    echo 'The planted allocations were not found: nothing is measured here.'
    exit 1
fi
limits=$(grep -c -E ' ok$| TOO MANY$' "$work/table")
broken=$(grep -c ' TOO MANY$' "$work/table")
# The line of single puts has no limit.
if [ "$broken" != $((limits - 1)) ]; then
    echo "The planted allocations broke $broken limits of $((limits - 1))."
    exit 1
fi
echo
echo 'The count is within its limits, and finds what was planted.'
