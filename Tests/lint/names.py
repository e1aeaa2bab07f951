"""No two types of one name, at the top or nested, and no two Swift files of one name."""
import collections
import os
import re

import source

# What every reader takes for a part of the type around it.
NESTED = {"CodingKeys", "Flags", "Kind", "Options", "Outcome", "Row", "State"}
# Swift wants this name.
FILES = {"main.swift"}

_type = re.compile(r"(?<![.\w`])(?:struct|class|enum|actor|protocol|typealias)\s+(\w+)")


def complaints(tree):
    types = collections.defaultdict(list)
    files = collections.defaultdict(list)
    for path in tree.swift():
        files[os.path.basename(path)].append(path)
        code = tree.code(path)
        for match in _type.finditer(code):
            before = code[code.rfind("\n", 0, match.start()) + 1:match.start()]
            if match[1] in ("func", "var", "let", "subscript") or before.strip().startswith("import"):
                continue
            is_nested = code.count("{", 0, match.start()) > code.count("}", 0, match.start())
            types[match[1]].append((f"{path}:{source.line(code, match.start())}", is_nested))
    for name, places in sorted(types.items()):
        if len(places) > 1 and not (name in NESTED and all(is_nested for _, is_nested in places)):
            yield f"{places[0][0]}: the type {name} has namesakes: {', '.join(place for place, _ in places[1:])}"
    for name, paths in sorted(files.items()):
        if len(paths) > 1 and name not in FILES:
            yield f"{paths[0]}: has namesakes: {', '.join(paths[1:])}"
