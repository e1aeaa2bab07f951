"""No file over 500 lines, no function over 80, no folder over 15 source files, no Markdown over 120 columns."""
import ast
import collections
import os
import re

import source

FILE, FUNCTION, FOLDER, COLUMNS = 500, 80, 15, 120
FOLDERS = ("Sources", "fuse", "Tests", "Benchmarks", "schema", ".ci")


def complaints(tree):
    paths = tree.files(FOLDERS, (".swift", ".c", ".h", ".py", ".sh", ".sql"))
    for path in paths:
        text = tree.read(path)
        if (count := text.count("\n")) > FILE:
            yield f"{path}: has {count} lines; {FILE} are the most that a file has"
        functions = {".swift": _swift_functions, ".py": _python_functions}.get(os.path.splitext(path)[1])
        for name, first, count in functions(tree, path) if functions else []:
            if count > FUNCTION:
                yield f"{path}:{first}: {name} has {count} lines; {FUNCTION} are the most that a function has"
    for folder, count in sorted(collections.Counter(os.path.dirname(path) for path in paths).items()):
        if count > FOLDER:
            yield f"{folder}: holds {count} source files; {FOLDER} are the most that a folder holds"
    for path in tree.files((".",), (".md",)):
        for number, line in enumerate(tree.read(path).split("\n"), 1):
            if len(line) > COLUMNS:
                yield f"{path}:{number}: has {len(line)} columns; {COLUMNS} are the most that a line has"


_declaration = re.compile(
    r"(?<![.\w])(?:func\s+(?P<func>[^\s(<]+)|(?P<init>init)[?!]?\s*(?=[(<])|(?P<deinit>deinit|subscript)\b"
    r"|(?:var|let)\s+(?P<property>\w+)[^={}\n;]*(?:=\s*)?(?=\{))")
_no_body = re.compile(r"[};]|\b(?:func|var|let|init|struct|class|enum|actor|protocol|extension|subscript|static|case)\b")


def _swift_functions(tree, path):
    """Name, line and length of every function: from the brace that opens it to the one that closes it."""
    code = tree.code(path)
    for match in _declaration.finditer(code):
        place = match.end()
        if not match["property"]:
            # Parameters first: their defaults may be closures.
            parameters = code.find("(", place)
            brace = code.find("{", place)
            if 0 <= parameters < brace:
                place = source.end_of_block(code, parameters, "()")
        start = code.find("{", place)
        # What a protocol asks for has no body.
        if start < 0 or _no_body.search(code, place, start):
            continue
        length = code.count("\n", start, source.end_of_block(code, start)) + 1
        name = match["func"] or match["init"] or match["deinit"] or match["property"]
        yield name, source.line(code, match.start()), length


def _python_functions(tree, path):
    for node in ast.walk(ast.parse(tree.read(path), path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.lineno, node.end_lineno - node.lineno + 1
