"""Reads from Package.swift what the guards ask for: targets, their folders, and what they depend on."""
import re

import source

_product = re.compile(r'let\s+(\w+)\s*=\s*Target\.Dependency\.product\(\s*name:\s*"([^"]+)"')
_target = re.compile(r"\.(systemLibrary|target|executableTarget|testTarget|plugin|macro)\(")


class Target:
    def __init__(self, kind, name, path, dependencies):
        self.kind = kind
        self.name = name
        self.path = path
        self.dependencies = dependencies


def targets(tree):
    """The targets by name; a dependency is the name of what is imported."""
    text = tree.read("Package.swift")
    code = source.code(text)
    products = dict(_product.findall(text))
    found = {}
    for match in _target.finditer(code):
        # '.target(name:' among dependencies is a reference, not a declaration.
        if re.search(r"dependencies:\s*\[[^\]]*$", code[:match.start()]):
            continue
        body = text[match.start():source.end_of_block(code, match.end() - 1, "()")]
        name = re.search(r'name:\s*"([^"]+)"', body)[1]
        path = re.search(r'\bpath:\s*"([^"]+)"', body)
        folder = "Tests" if match[1] == "testTarget" else "Sources"
        found[name] = Target(
            match[1], name, path[1] if path else f"{folder}/{name}", _dependencies(body, products))
    return found


def _dependencies(body, products):
    match = re.search(r"\bdependencies:\s*\[(.*?)\]", body, re.DOTALL)
    if not match:
        return []
    names = []
    for item in re.findall(r'\.\w+\([^)]*\)|"[^"]+"|\w+', match[1]):
        named = re.search(r'"([^"]+)"', item)
        names.append(named[1] if named else products.get(item, item))
    return names


def tools_version(text):
    """The first line's version as numbers, e.g. (6, 1)."""
    match = re.match(r"//\s*swift-tools-version:\s*([0-9.]+)", text)
    return tuple(int(number) for number in match[1].split(".")) if match else None
