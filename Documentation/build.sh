#!/bin/bash
# Builds the documentation of the public products with DocC, without warnings, into .build/docs/*.doccarchive.
#
#     Documentation/build.sh [--modules FOLDER]
#
# `docc` and `swift symbolgraph-extract` come with Swift's toolchain, so the package needs no plugin for this. The modules
# are those of the debug build, which is made first unless FOLDER (such as .build/debug/Modules) names some that are there.
set -euo pipefail
cd "$(dirname "$0")/.."
swift=${SWIFT:-swift}
docc=$(dirname "$(realpath "$(command -v "$swift")")")/docc
[ -x "$docc" ] || docc=docc
if [ "${1:-}" = --modules ]; then
    modules=$2
else
    "$swift" build
    modules=$("$swift" build --show-bin-path)/Modules
fi
modules=$(realpath "$modules")
out=.build/docs
# What `import Shardline` brings: its own symbols and those of the rooms that it exports (Sources/Shardline/Exports.swift).
exported=$(sed -nE 's/^@_exported public import (struct )?([A-Za-z]*).*/\2/p' Sources/Shardline/Exports.swift | paste -sd, -)

# What the modules import of C: a map for each.
options=()
for map in "$modules"/../*.build/module.modulemap Sources/*/module.modulemap \
    "$modules"/../../../checkouts/GRDB.swift/Sources/GRDBSQLite/module.modulemap; do
    options+=(-Xcc "-fmodule-map-file=$map")
done

document() {
    local module=$1 reexported=$2 catalogue=$3
    rm -rf "$out/$module" "$out/$module.doccarchive"
    mkdir -p "$out/$module"
    "$swift" symbolgraph-extract -module-name "$module" -I "$modules" "${options[@]}" \
        -target "$("$swift" -print-target-info | sed -n 's/.*"unversionedTriple": "\(.*\)".*/\1/p')" \
        -minimum-access-level public -skip-synthesized-members -output-dir "$out/$module" \
        ${reexported:+"-experimental-allowed-reexported-modules=$reexported"}
    "$docc" convert "$catalogue" --additional-symbol-graph-dir "$out/$module" --fallback-display-name "$module" \
        --fallback-bundle-identifier "shardline.$module" --output-path "$out/$module.doccarchive" --warnings-as-errors
}

document Shardline "$exported" Sources/Shardline/Shardline.docc &
document ShardlineTesting "" Sources/ShardlineTesting/ShardlineTesting.docc
wait $!
