#!/bin/bash
# Runs the tests, which must be built, and the demo; ends with "N passed, N failed".
# usage: run.sh [arguments of 'swift test']     with arguments, the demo is left out
set -uo pipefail
cd "$(dirname "$0")/.."
log=.build/test.log
# Colours would hide from us what failed.
export NO_COLOR=1 TERM=dumb
if [ $# = 0 ]; then
    # Tests mostly wait: for servers, disks, mounts. Two programs at once, each with a part, make better use of two processors.
    # What begins so runs in the first, and everything else in the second.
    first='CommandTests\.[A-O]'
    tests="$(swift build --show-bin-path)/icecorePackageTests.xctest"
    "$tests" --testing-library swift-testing --filter "$first" </dev/null >"$log.1" 2>&1 &
    pid=$!
    "$tests" --testing-library swift-testing --skip "$first" </dev/null 2>&1 | tee "$log.2"
    status=${PIPESTATUS[0]}
    wait "$pid" || status=$?
    cat "$log.1"
    cat "$log.1" "$log.2" >"$log"
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
