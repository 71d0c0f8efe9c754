#!/bin/bash
# Makes the Python environment NAME (clients, async, benchmarks) below the build folder, and prints where it is.
#
#     Tests/RealClients/prepare.sh clients
#
# The versions stand in requirements-NAME.txt with their hashes. Where that file has not changed since the environment was
# made, nothing is installed. SHARDLINE_CLIENTS_DIRECTORY names another folder than .build/real-clients.
# Ends with 75 where the environment can't be made here, with the reason on standard error.
set -uo pipefail
cd "$(dirname "$0")" || exit 1
name=${1:-clients}
requirements=requirements-$name.txt
[ -f "$requirements" ] || { echo "there is no $requirements" >&2; exit 64; }
folder=${SHARDLINE_CLIENTS_DIRECTORY:-$(cd ../.. && pwd)/.build/real-clients}
environment=$folder/$name

mkdir -p "$folder" || exit 75
exec 9>"$folder/.lock-$name"
flock 9

# What the environment is made from: another Python or other versions make another one.
wanted=$( { python3 --version && sha256sum <"$requirements" && echo "$environment"; } 2>&1) ||
    { echo "the tests with real clients need python3 and sha256sum" >&2; exit 75; }
if [ "$(cat "$environment/made-from" 2>/dev/null)" = "$wanted" ]; then
    echo "$environment"
    exit 0
fi

# A registry that could not be reached a moment ago is not asked again by each file of tests.
unreachable=$folder/unreachable-$name
if [ -n "$(find "$unreachable" -mmin -10 2>/dev/null)" ]; then
    cat "$unreachable" >&2
    exit 75
fi

log=$folder/$name.log
rm -rf "$environment"
if ! python3 -m venv "$environment" >"$log" 2>&1; then
    echo "python3 can't make a virtual environment (Debian: apt-get install python3-venv): $(tail -1 "$log")" >&2
    exit 75
fi
if ! "$environment/bin/pip" install --disable-pip-version-check --no-input --retries 1 --timeout 20 --require-hashes \
    -r "$requirements" >>"$log" 2>&1; then
    reason=$(grep -E '^ERROR' "$log" | tail -1)
    # A package registry that can't be reached is no fault of what is tested; other failures are.
    if grep -qE 'NewConnectionError|ConnectTimeout|ReadTimeout|ProxyError|Temporary failure in name resolution|Network is unreachable' "$log"; then
        echo "the package registry can't be reached: ${reason:-$(tail -1 "$log")}" | tee "$unreachable" >&2
        exit 75
    fi
    echo "the clients can't be installed: ${reason:-$(tail -1 "$log")} (all of it: $log)" >&2
    exit 1
fi
"$environment/bin/python" -m compileall -q "$environment/lib" >/dev/null 2>&1
rm -f "$unreachable"
echo "$wanted" >"$environment/made-from"
echo "$environment"
