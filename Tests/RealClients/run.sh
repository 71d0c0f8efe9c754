#!/bin/bash
# Runs tests with real clients: files of this folder, all where none is named, with options of pytest.
#
#     Tests/RealClients/run.sh test_reading.py -k latest
#
# SHARDLINE_PROGRAM names the command under test (as built by `make test` where it is not set), SHARDLINE_RESTARTS how often
# test_restart.py kills the server. Ends with 75 where the clients can't be installed here.
set -uo pipefail
cd "$(dirname "$0")" || exit 1

files=()
options=()
for argument in "$@"; do
    if [ -f "$argument" ]; then files+=("$argument"); else options+=("$argument"); fi
done
[ ${#files[@]} -gt 0 ] || files=(test_*.py)

failed=0
for environment in clients async; do
    mine=()
    for file in "${files[@]}"; do
        case $file in test_async_*) wanted=async ;; *) wanted=clients ;; esac
        [ "$wanted" != "$environment" ] || mine+=("$file")
    done
    [ ${#mine[@]} -gt 0 ] || continue
    folder=$(./prepare.sh "$environment") || exit
    PYTHONDONTWRITEBYTECODE=1 "$folder/bin/python" -m pytest "${mine[@]}" ${options[@]+"${options[@]}"} || failed=1
done
exit $failed
