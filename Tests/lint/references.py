"""What Markdown names in backquotes is there: paths in the tree, and tests as `Suite` or `Suite/function`."""
import re

_path = re.compile(r"`((?:Sources|fuse|Tests|Benchmarks|schema|docs)/[\w+./-]+)`")
_test = re.compile(r"`(?:\w+Tests/)?(\w+Tests)(?:/([a-z]\w*))?`")


def complaints(tree):
    code = "\n".join(tree.code(path) for path in tree.files(("Tests",), (".swift",)))
    suites = set(re.findall(r"\b(?:struct|class)\s+(\w+Tests)\b", code))
    functions = set(re.findall(r"\bfunc\s+(\w+)", code))
    for path in tree.files((".",), (".md",)):
        for number, line in enumerate(tree.read(path).split("\n"), 1):
            for name in _path.findall(line):
                # A source may be named without its ending.
                if not any(tree.exists(name.rstrip("/.") + ending) for ending in ("", ".swift")):
                    yield f"{path}:{number}: names {name}, which is not there"
            for suite, function in _test.findall(line):
                if suite not in suites and not tree.exists(f"Tests/{suite}"):
                    yield f"{path}:{number}: names the tests {suite}, which are not there"
                elif function and function not in functions:
                    yield f"{path}:{number}: names the test {function}, which is not there"
