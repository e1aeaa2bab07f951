"""Modules import along the floors of docs/ARCHITECTURE.md only, and Package.swift declares what they import.

The floors are a block that begins with ```floors. A line is a number and modules; a module imports from lower floors only.
A C module names in parentheses who may import it: `0  CZlib (Inventory, Replica)`.
"""
import os
import re

import package

PLACE = "docs/ARCHITECTURE.md"

_import = re.compile(
    r"^[ \t]*(?:@\w+(?:\([^)]*\))?\s+|(?:public|package|internal|fileprivate|private)\s+)*"
    r"import\s+(?:(?:struct|class|enum|protocol|typealias|func|var|let)\s+)?(\w+)", re.MULTILINE)


def complaints(tree):
    targets = package.targets(tree)
    imports = {name: _imports(tree, target, targets) for name, target in targets.items()}
    yield from _floors(tree, targets, imports)
    yield from _declared(targets, imports)


def _imports(tree, target, targets):
    """The modules that the files of a target import, each with a file that does."""
    inner = [other.path for other in targets.values() if other.path.startswith(target.path + "/")]
    found = {}
    for path in tree.files((target.path,), (".swift",)):
        if not any(path.startswith(folder + "/") for folder in inner):
            for name in _import.findall(tree.code(path)):
                found.setdefault(name, path)
    return found


def _read_floors(text):
    """The floor of each module, and of those that few may import, who may."""
    block = re.search(r"^```floors\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    if not block:
        return None
    floors, importers = {}, {}
    for line in block[1].splitlines():
        number, _, rest = line.strip().partition(" ")
        if not number.isdigit():
            continue
        for name, few in re.findall(r"([\w-]+)(?:\s*\(([^)]*)\))?", rest):
            floors[name] = int(number)
            if few:
                importers[name] = set(re.findall(r"[\w-]+", few))
    return floors, importers


def _floors(tree, targets, imports):
    known = _read_floors(tree.read(PLACE)) if tree.exists(PLACE) else None
    if not known:
        yield f"{PLACE}: has no block that begins with ```floors, which says who may import whom"
        return
    floors, importers = known
    for name in sorted(floors.keys() - targets.keys()):
        yield f"{PLACE}: names {name}, which is no target of Package.swift"
    for name, few in sorted(importers.items()):
        for other in sorted(few - targets.keys()):
            yield f"{PLACE}: lets {other} import {name}, and is no target of Package.swift"
    for name, target in sorted(targets.items()):
        if target.path.split("/")[0] not in ("Sources", "fuse"):
            continue
        if name not in floors:
            yield f"{PLACE}: does not say on which floor {name} is"
            continue
        for other, path in sorted(imports[name].items()):
            if other in floors and floors[other] >= floors[name]:
                yield f"{path}: {name} (floor {floors[name]}) imports {other} (floor {floors[other]})"
            if other in importers and name not in importers[other]:
                yield f"{path}: {name} imports {other}, which is for {', '.join(sorted(importers[other]))} only"


def _declared(targets, imports):
    """What is imported is declared, and what is declared is imported. Programs are declared so that they are built."""
    here = set(targets)
    for name, target in sorted(targets.items()):
        declared = set(target.dependencies)
        elsewhere = {other for one in targets.values() for other in one.dependencies if other not in here}
        for other in sorted(set(imports[name]) & (here | elsewhere) - declared - {name}):
            yield f"{imports[name][other]}: imports {other}, which Package.swift does not declare for {name}"
        for other in sorted(declared - set(imports[name])):
            if other not in here or targets[other].kind != "executableTarget":
                yield f"Package.swift: declares {other} for {name}, which does not import it"
