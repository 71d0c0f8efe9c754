#!/bin/bash
# Fuzzes what reads bytes that nobody vouches for: libFuzzer and the address sanitizer, each target of Tests/WholeSystem/FuzzTests
# for this many seconds, from the corpus that the tests replay. With names only those targets:
#
#     Tests/Support/Fuzz/run.sh 60 commit block
#
# Inputs that show something new stay in FUZZ_DIR (.build/fuzz); with MERGE=1 the smallest set that reaches as much goes
# into the corpus instead. What was found is in FUZZ_DIR/found: put the input into the corpus as keep-SOMETHING, with the repair.
# Ends with 1 where something was found.
set -euo pipefail
cd "$(dirname "$0")/../../.."
root=$PWD
folder=${FUZZ_DIR:-$root/.build/fuzz}
swift=${SWIFT:-swift}
seconds=${1:?seconds for each target}
shift
# An input may not be larger than what it says justifies, however large that is.
limits=(-max_len=1500 -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=64)
# A crash is told by libFuzzer itself.
export SWIFT_BACKTRACE=enable=no
# Swift marks pointers with bits that hide them from the search for leaks.
export ASAN_OPTIONS=detect_leaks=0

mkdir -p "$folder/found"
for name in Sources Tests; do ln -sfn "$root/$name" "$folder/$name"; done
ln -sfn "$root/Tests/Support/Fuzz/Package.swift" "$folder/Package.swift"
echo "building"
"$swift" build --package-path "$folder" -c release --product Fuzz >"$folder/build.log" 2>&1 ||
    { grep 'error:' "$folder/build.log" | head -20; tail -5 "$folder/build.log"; exit 1; }
fuzz=$folder/.build/release/Fuzz

targets=("$@")
[ ${#targets[@]} -gt 0 ] || read -ra targets < <("$fuzz")
failed=0
for target in "${targets[@]}"; do
    export SHARDLINE_FUZZ_TARGET=$target
    corpus=$root/Tests/WholeSystem/FuzzTests/Corpus/$target
    work=$folder/work/$target
    seeds=$folder/seeds/$target
    mkdir -p "$work" "$seeds" "$corpus"
    SHARDLINE_FUZZ_SEEDS=$seeds "$fuzz"
    if "$fuzz" "${limits[@]}" -max_total_time="$seconds" -artifact_prefix="$folder/found/$target-" \
        -print_final_stats=1 "$work" "$seeds" "$corpus" </dev/null >"$folder/$target.log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$folder/$target.log")
        cover=$(grep -oE 'cov: [0-9]+ ft: [0-9]+' "$folder/$target.log" | tail -1)
        echo "$target: nothing found in $runs runs ($cover)"
    else
        failed=1
        echo "$target: FOUND"
        grep -E 'Fatal error|ERROR:|SUMMARY|Test unit written|panic' "$folder/$target.log" | head -5 || true
        continue
    fi
    if [ "${MERGE:-0}" = 1 ]; then
        rm -rf "$folder/merged"
        mkdir "$folder/merged"
        # By the branches that are reached, not by how often: a tenth of the inputs.
        "$fuzz" "${limits[@]}" -set_cover_merge=1 -use_counters=0 "$folder/merged" "$corpus" "$seeds" "$work" </dev/null >"$folder/merge.log" 2>&1
        # What was put there by hand stays: what was once found, and what is longer than inputs here.
        find "$corpus" -type f ! -name 'keep-*' -delete
        cp "$folder/merged"/* "$corpus"
    fi
done
exit $failed
