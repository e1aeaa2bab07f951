#!/usr/bin/python3
"""Prints circles of files: each uses a name that the next declares, within one module. Nothing fails for it.

usage: circles.py [--members] [DIRECTORY]
Types, functions and constants at the top count, each where one file of the module declares it; with --members also what
extensions and types declare, if the module has the name once. Names are not what a compiler sees: an edge may be false.
"""
import collections
import os
import re
import sys

import package
import source

_type = re.compile(r"(?<![.\w`])(?:struct|class|enum|actor|protocol|typealias)\s+(\w+)")
_top = re.compile(r"^(?:(?:public|package|internal|@\w+(?:\([^)]*\))?)\s+)*(?:func|let|var)\s+(\w+)", re.MULTILINE)
_member = re.compile(r"(?<![.\w`])(?:func|let|var|case)\s+(\w+)")
_word = re.compile(r"\w+")


def circles(tree, members=False):
    """The circles, each a sorted list of paths; the longest first."""
    found = []
    for target in package.targets(tree).values():
        if target.path.split("/")[0] in ("Sources", "fuse"):
            found += _components(edges(tree, target.path, members))
    return sorted(found, key=lambda paths: (-len(paths), paths))


def edges(tree, folder, members=False):
    """For each file below the folder those that declare what it uses, each with the names."""
    declared = collections.defaultdict(set)
    paths = tree.files((folder,), (".swift",))
    for path in paths:
        code = tree.code(path)
        for pattern in (_type, _top, _member) if members else (_type, _top):
            for name in pattern.findall(code):
                if name not in ("func", "var", "let"):
                    declared[name].add(path)
    found = {path: collections.defaultdict(set) for path in paths}
    for path in paths:
        for name in set(_word.findall(tree.code(path))):
            for place in declared.get(name, ()):
                if len(declared[name]) == 1 and place != path:
                    found[path][place].add(name)
    return found


def _components(graph):
    """The strongly connected components of more than one node (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            place = stack.index(node)
            if len(stack) - place > 1:
                found.append(sorted(stack[place:]))
            del stack[place:]

    sys.setrecursionlimit(10_000)
    for node in graph:
        if node not in index:
            visit(node)
    return found


def main(words):
    members = "--members" in words
    folders = [word for word in words if not word.startswith("-")]
    tree = source.Tree(folders[0] if folders else os.getcwd())
    for paths in circles(tree, members):
        print(f"{len(paths)} files, {sum(tree.read(path).count(chr(10)) for path in paths)} lines")
        graph = edges(tree, os.path.commonpath([os.path.dirname(path) for path in paths]), members)
        for path in paths:
            for other in paths:
                if names := graph[path].get(other):
                    print(f"    {path} uses {', '.join(sorted(names))} of {os.path.basename(other)}")


if __name__ == "__main__":
    main(sys.argv[1:])
