"""The version of Swift that the README asks for is the one that builds; the program's version has notes."""
import os
import re

import package


def complaints(tree):
    own = package.tools_version(tree.read("Package.swift"))
    asked = re.search(r"Swift ([0-9.]+[0-9]) or (?:newer|later)", tree.read("README.md"))
    if not own:
        yield "Package.swift: does not begin with swift-tools-version"
        return
    if not asked:
        yield "README.md: does not say 'Swift N or newer'"
    elif _numbers(asked[1]) != own:
        yield f"README.md: says '{asked[0]}', and Package.swift is for {_text(own)}"
    yield from _dependencies(tree, own)
    for path in tree.files(("Sources/icecore",), (".swift",)):
        if version := re.search(r'\bversion: "([^"]+)"', tree.read(path)):
            if not re.search(rf"^#+ .*(?<![\d.]){re.escape(version[1])}(?![\d.])", tree.read("CHANGELOG.md"), re.MULTILINE):
                yield f"CHANGELOG.md: has no heading for {version[1]}, which {path} says is the version"
            return
    yield "Sources/icecore: says no version"


def _dependencies(tree, own):
    """What was fetched must have a manifest that this version of Swift reads."""
    folder = os.path.join(tree.root, ".build", "checkouts")
    if not os.path.isdir(folder):
        return
    for name in sorted(os.listdir(folder)):
        place = os.path.join(folder, name)
        manifests = [entry for entry in os.listdir(place) if re.fullmatch(r"Package(@swift-[\d.]+)?\.swift", entry)]
        versions = []
        for entry in manifests:
            with open(os.path.join(place, entry), encoding="utf-8") as file:
                versions.append(package.tools_version(file.read()))
        lowest = min((version for version in versions if version), default=None)
        if lowest and lowest > own:
            yield f"Package.swift: is for Swift {_text(own)}, and {name} needs {_text(lowest)}"


def _numbers(text):
    return tuple(int(number) for number in text.split("."))


def _text(numbers):
    return ".".join(str(number) for number in numbers)
