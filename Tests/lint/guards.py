#!/usr/bin/python3
"""Prints what the guards have against the tree. usage: guards.py [DIRECTORY]"""
import os
import sys

import floors
import names
import references
import sizes
import source
import versions

GUARDS = (sizes, names, floors, references, versions)


def complaints(root):
    tree = source.Tree(root)
    return [complaint for guard in GUARDS for complaint in guard.complaints(tree)]


if __name__ == "__main__":
    found = complaints(sys.argv[1] if len(sys.argv) > 1 else os.getcwd())
    for complaint in found:
        print(complaint, file=sys.stderr)
    sys.exit(1 if found else 0)
