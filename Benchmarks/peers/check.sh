#!/bin/bash
# Proves that the harness would notice a peer that loses, repeats, reorders, cuts or misroutes a record: every peer
# does the work right, and then with each of these mistakes made on purpose, which must fail.
#
#   check.sh [NAME...]    default: limit sqlite rocksdb lmdb redis
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
own=
if [ -z "${PEER_TMP:-}" ]; then
    own=$(mktemp -d "${TMPDIR:-/tmp}/peers.XXXXXX")
    export PEER_TMP=$own
fi
trap 'if [ -n "$own" ]; then rm -rf "$own"; fi' EXIT
[ $# != 0 ] || set -- limit sqlite rocksdb lmdb redis

bad=0
report() {
    echo "$1"
    case $1 in "not ok"*) bad=1 ;; esac
}

for peer in "$@"; do
    "$here/run.sh" build "$peer"
    run=("$here/run.sh" "$peer" --records 20000 --max-seconds 2 --latency-seconds 0.5)
    # 300 are more than a store has trees for.
    for shards in 1 4 300; do
        if error=$("${run[@]}" --shards $shards 2>&1 >/dev/null); then
            report "ok $peer, --shards $shards"
        else
            report "not ok $peer, --shards $shards: $error"
        fi
    done
    for fault in swap lose repeat shorten misroute; do
        # A record that is never put shows at the end: the line says "complete":false.
        if said=$("${run[@]}" --fault $fault 2>&1); then
            report "not ok $peer with fault $fault: nobody noticed"
        else
            case $said in
            *'wanted '* | *'"complete":false'*) report "ok $peer with fault $fault: noticed" ;;
            *) report "not ok $peer with fault $fault: failed otherwise: $said" ;;
            esac
        fi
    done
done
exit $bad
