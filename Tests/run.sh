#!/bin/bash
# Runs the tests, which must be built, and the demo; ends with "N passed, N failed".
# usage: run.sh [--check | arguments of 'swift test']
#   --check    only what is quick: all modules' tests, the random histories, help texts; no demo
#   with arguments, the demo is left out
set -uo pipefail
cd "$(dirname "$0")/.."
log=.build/test.log
# Colours would hide from us what failed.
export NO_COLOR=1 TERM=dumb

# The tests whose names fit a pattern, or all but those of several.
tests="$(swift build --show-bin-path)/icecorePackageTests.xctest"
run() {
    "$tests" --testing-library swift-testing "$@" </dev/null 2>&1
}

if [ $# = 0 ]; then
    # Tests mostly wait: for servers, disks, mounts. Several programs at once, each with a part, make better use of two
    # processors.
    parts=('CommandTests\.[A-I]' 'CommandTests\.[J-Q]')
    pids=()
    skips=()
    for part in "${!parts[@]}"; do
        run --filter "${parts[part]}" >"$log.$part" &
        pids+=($!)
        skips+=(--skip "${parts[part]}")
    done
    run "${skips[@]}" | tee "$log"
    status=${PIPESTATUS[0]}
    for part in "${!parts[@]}"; do
        wait "${pids[part]}" || status=$?
        tee -a "$log" <"$log.$part"
    done
elif [ "$1" = --check ]; then
    # One random history of each kind.
    export ICECORE_SEED=1
    run --skip 'CommandTests\.(?!HistoryTests|HelpTests|EveryCommandTests|FormatTests|PackTests)' | tee "$log"
    status=${PIPESTATUS[0]}
else
    swift test --skip-build "$@" </dev/null 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
fi

# ✔ Test run with 24 tests in 7 suites passed after 0.409 seconds.
ran=$(sed -nE 's/^[^ ]+ Test run with ([0-9]+) tests? .*/\1/p' "$log" | awk '{ n += $1 } END { print n + 0 }')
# ✘ Test name() failed after 0.1 seconds with 1 issue.
failed=$(grep -aE '^✘ Test .* failed after ' "$log" | grep -acvE '^✘ Test (run|case) ')
skipped=$(grep -acE '^➜ Test .* skipped' "$log")
if [ "$status" != 0 ] && [ "$failed" = 0 ]; then
    echo "the tests did not run to their end (status $status)"
    failed=1
fi
if [ "$ran" = 0 ]; then
    echo "no test ran"
    [ "$failed" != 0 ] || failed=1
fi
passed=$((ran - failed - skipped))
[ "$passed" -ge 0 ] || passed=0

if [ $# = 0 ]; then
    if ICECORE=$PWD/.build/debug/icecore Tests/demo/demo.sh </dev/null >.build/demo.log 2>&1; then
        echo "the demo works"
        passed=$((passed + 1))
    else
        cat .build/demo.log
        echo "the demo failed: see above"
        failed=$((failed + 1))
    fi
fi

if [ "$failed" != 0 ]; then
    printf '\nFAILED:\n'
    grep -aE '^✘ Test .* failed after ' "$log" | grep -avE '^✘ Test (run|case) ' || true
fi
printf '\n%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
