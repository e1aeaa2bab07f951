#!/bin/bash
# Checks the scripts: that they can be read, and are small things that no formatter would have to be asked about. Then
# the guards in Tests/lint: sizes, names, floors, versions and what documents name, and that each guard finds what it is
# for.
set -euo pipefail
cd "$(dirname "$0")/.."
failed=0
complain() {
    echo "$*" >&2
    failed=1
}
while read -r file; do
    case $(head -c 64 "$file" | head -n 1) in
    '#!'*bash) bash -n "$file" || failed=1 ;;
    '#!'*sh) sh -n "$file" || failed=1 ;;
    *) complain "$file: a shell script begins with #!/bin/bash or #!/bin/sh" ;;
    esac
    [ -x "$file" ] || complain "$file: a script must be executable"
done < <(find Tests Benchmarks fuse .ci -type f \( -name '*.sh' -o -name 'mount.fuse.*' -o -path '.ci/*' \))
while read -r file; do
    /usr/bin/python3 -c 'import ast, sys; ast.parse(open(sys.argv[1], "rb").read(), sys.argv[1])' "$file" || failed=1
done < <(find Tests Benchmarks -type f -name '*.py')
while read -r file; do
    complain "$file: has tabs, or spaces at the end of a line"
done < <(grep -rlP '\t|[ \t]+$' --include='*.sh' --include='*.py' --include='*.swift' --include='*.sql' --include='*.md' \
    Sources Tests Benchmarks fuse schema docs ./*.md 2>/dev/null)
/usr/bin/python3 -B Tests/lint/selftest.py || failed=1
/usr/bin/python3 -B Tests/lint/guards.py || failed=1
exit $failed
