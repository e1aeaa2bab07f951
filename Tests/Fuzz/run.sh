#!/bin/sh
# Builds the fuzzers and runs each for $FUZZ_SECONDS, or those that are named. What they find new stays in .build/fuzz/found; what
# breaks something is kept as Tests/Fuzz/regressions/<target>/…, which the tests try from then on.
set -eu
cd "$(dirname "$0")/../.."
seconds=${FUZZ_SECONDS:-600}
swiftc=$(readlink -f "$(command -v "${SWIFTC:-swiftc}")")
library=$(find "$(dirname "$swiftc")/../lib/clang" -name "libclang_rt.fuzzer_no_main-$(uname -m).a" | head -n 1)
[ -n "$library" ] || { echo "this toolchain has no libFuzzer (libclang_rt.fuzzer_no_main)" >&2; exit 1; }
# A folder of its own: what is built for the fuzzer is of no use to anything else.
ICECORE_FUZZER=$library "${SWIFT:-swift}" build -c release --scratch-path .build/fuzz --product icecore-fuzz
fuzzer=.build/fuzz/release/icecore-fuzz
status=0
for target in ${*:-list manifest xml page credentials when orc parquet pack request}; do
    found=.build/fuzz/found/$target
    kept=Tests/Fuzz/regressions/$target
    mkdir -p "$found" "$kept"
    echo "== $target, $seconds seconds"
    # No backtraces: a program that explains itself for a minute each time finds nothing.
    SWIFT_BACKTRACE=enable=no "$fuzzer" "$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=1024 -max_len=8192 \
        -dict="Tests/Fuzz/$target.dict" -artifact_prefix="$kept/" -print_final_stats=1 \
        "$found" "Tests/Fuzz/corpus/$target" "$kept" >".build/fuzz/$target.log" 2>&1 || status=1
    grep -E '^(stat::number_of_executed_units|stat::new_units_added|stat::peak_rss_mb|SUMMARY|==[0-9]+== ERROR)' ".build/fuzz/$target.log" || true
    grep -E '^(Done|artifact|Test unit)|fatalError|Fatal error|recondition' ".build/fuzz/$target.log" || true
    rmdir "$kept" 2>/dev/null || true
done
exit $status
