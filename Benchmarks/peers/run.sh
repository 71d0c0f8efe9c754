#!/bin/bash
# Runs one peer once and prints one line of JSON.
#
#   run.sh NAME [--records N] [--size BYTES] [--shards S] [--durability always|none] [--batch RECORDS-A-PUT]
#               [--cbatch RECORDS-A-FETCH] [--producers P] [--consumers C] [--variant V] [--max-seconds S]
#               [--latency-seconds S] [--latency-rate RECORDS-A-SECOND] [--fault F]
#   run.sh raw [--seconds S] [--lines FILE] [--only KIND-OF-WRITE]
#   run.sh build NAME...
#
# NAME is limit, sqlite, rocksdb, lmdb, redis or raw; `build` only installs and builds.
#
# Programs and data are in a new folder in TMPDIR (/tmp) that is removed at the end. With PEER_TMP it is that folder;
# the data is removed, the programs stay for the next run. PEER_NICE=-15 puts what is measured first on a shared
# machine.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
server=
data=

clean_up() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    if [ -n "$data" ]; then rm -rf "$data"; fi
    if [ -z "${PEER_TMP:-}" ]; then rm -rf "$tmp"; fi
}

# Installs the Debian packages that are missing. Elsewhere whoever runs this sees to it.
need() {
    command -v dpkg-query >/dev/null || return 0
    local package missing=() by=() install
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} != 0 ] || return 0
    [ "$(id -u)" = 0 ] || by=(sudo)
    echo "installing ${missing[*]}" >&2
    install=("${by[@]}" env DEBIAN_FRONTEND=noninteractive
        apt-get install -y -qq --no-install-recommends "${missing[@]}")
    "${install[@]}" >&2 || { "${by[@]}" apt-get update -qq >&2 && "${install[@]}" >&2; }
}

# compile NAME [compiler options]: NAME.c and the harness, where the program is older than one of its sources.
compile() {
    local name=$1 program=$tmp/bin/$1 sources
    shift
    if [ "$name" = raw ]; then
        sources=("$here"/harness/{support,records}.c)
    else
        sources=("$here"/harness/*.c)
    fi
    if [ -x "$program" ] && [ -z "$(find "$here" -name '*.[ch]' -newer "$program")" ]; then return; fi
    # -flto: calls between the driver and the harness cost no more than within one file.
    gcc -std=c11 -D_GNU_SOURCE -O2 -flto -march=native -Wall -Wextra -Werror -I "$here/harness" \
        -o "$program" "$here/$name.c" "${sources[@]}" "$@" -lpthread
}

build() {
    case $1 in
    raw | limit)
        need gcc libc6-dev liblz4-dev
        compile "$1" -llz4
        ;;
    sqlite)
        need gcc libc6-dev libsqlite3-dev
        compile sqlite -lsqlite3
        ;;
    rocksdb)
        need gcc libc6-dev librocksdb-dev
        # Its C interface does not tell the version.
        compile rocksdb -DPEER_VERSION="\"$(rocksdb_version)\"" -lrocksdb
        ;;
    lmdb)
        need gcc libc6-dev liblmdb-dev
        compile lmdb -llmdb
        ;;
    redis)
        need gcc libc6-dev libhiredis-dev redis-server
        compile redis -lhiredis
        ;;
    *)
        echo "unknown peer $1: expected raw, limit, sqlite, rocksdb, lmdb or redis" >&2
        exit 2
        ;;
    esac
}

rocksdb_version() {
    echo '#include <rocksdb/version.h>
        version ROCKSDB_MAJOR.ROCKSDB_MINOR.ROCKSDB_PATCH' | gcc -E -P -x c++ - | sed -n 's/^ *version //p' | tr -d ' '
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Sets `server` and `port`. Snapshots and rewrites of the log are off: they would write everything a second time.
start_redis() {
    local fsync=$1 try
    port=$(free_port)
    redis-server --bind 127.0.0.1 --port "$port" --dir "$data" --save '' --appendonly yes --appendfsync "$fsync" \
        --auto-aof-rewrite-percentage 0 --daemonize no >"$data/server.log" 2>&1 &
    server=$!
    for ((try = 0; try < 200; try++)); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then return; fi
        sleep 0.05
    done
    echo "redis-server did not start:" >&2
    cat "$data/server.log" >&2
    exit 1
}

# The value of --durability among the arguments.
durability() {
    local value=always
    while [ $# -gt 1 ]; do
        if [ "$1" = --durability ]; then value=$2; fi
        shift
    done
    echo "$value"
}

name=${1:?the name of a peer is missing}
shift
tmp=${PEER_TMP:-$(mktemp -d "${TMPDIR:-/tmp}/peers.XXXXXX")}
trap clean_up EXIT
trap 'exit 130' INT TERM
mkdir -p "$tmp/bin" "$tmp/data"
if [ "$name" = build ]; then
    for name in "$@"; do build "$name"; done
    exit
fi
build "$name"
data=$(mktemp -d "$tmp/data/$name.XXXXXX")
if [ -n "${PEER_NICE:-}" ]; then
    renice -n "$PEER_NICE" -p $$ >/dev/null
    ionice -c realtime -n 0 -p $$ 2>/dev/null || true
fi
if [ "$name" = redis ]; then
    if [ "$(durability "$@")" = always ]; then start_redis always; else start_redis everysec; fi
    set -- --port "$port" --pid "$server" "$@"
fi
"$tmp/bin/$name" --dir "$data" "$@"
