"""Reads the tree for the guards: which files there are, and what of a Swift file is code."""
import os
import re

SWIFT_FOLDERS = ("Sources", "fuse", "Tests", "Benchmarks", "schema")
# Folders of inputs, and of what is built.
PASSED_OVER = {".build", ".git", "Fixtures", "corpus", "regressions", "Help"}


class Tree:
    """The files below a directory; each is read once."""

    def __init__(self, root):
        self.root = root
        self._code = {}

    def files(self, folders, endings):
        """The paths, relative to the root and sorted, of all files below the folders that have one of the endings."""
        found = []
        for folder in folders:
            for place, below, names in os.walk(os.path.join(self.root, folder)):
                below[:] = [name for name in below if name not in PASSED_OVER]
                found += [os.path.normpath(os.path.join(place, name)) for name in names if name.endswith(endings)]
        return sorted(os.path.relpath(path, self.root) for path in found)

    def swift(self):
        return self.files(SWIFT_FOLDERS, (".swift",))

    def exists(self, path):
        return os.path.exists(os.path.join(self.root, path))

    def read(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8") as file:
            return file.read()

    def code(self, path):
        """What of a Swift file is code."""
        if path not in self._code:
            self._code[path] = code(self.read(path))
        return self._code[path]


def line(text, place):
    """The number of the line of a place."""
    return text.count("\n", 0, place) + 1


def end_of_block(text, start, braces="{}"):
    """Behind the brace that closes the one at `start`."""
    depth = 0
    for match in re.compile("[" + re.escape(braces) + "]").finditer(text, start):
        depth += 1 if match.group() == braces[0] else -1
        if depth == 0:
            return match.end()
    return len(text)


# Each alternative begins with a character, for that is what makes the search fast.
_event = re.compile(r'//|/\*|"""|"|##*"""|##*"|/(?=[^\s/*])|##*/(?=[^\s/*])')
_event_in_parentheses = re.compile(_event.pattern + r"|\(|\)")
_comment_end = re.compile(r"/\*|\*/")
# Where a slash can only begin a regular expression, not divide.
_before_regex = re.compile(r"(?:[(,=:\[{!&|]|\breturn|\bcase|\bin)\s*$")


def code(text):
    """The text with comments, and strings but for what is interpolated, replaced by spaces: positions stay."""
    pieces = []
    _scan(text, 0, pieces, False)
    return "".join(pieces)


def _blank(text):
    return "\n".join([" " * len(piece) for piece in text.split("\n")])


def _scan(text, start, pieces, is_interpolation):
    """Appends code from `start` on; of an interpolation to its closing parenthesis, behind which it returns."""
    depth = 0
    place = start
    event = _event_in_parentheses if is_interpolation else _event
    while match := event.search(text, place):
        token = match.group()
        pieces.append(text[place:match.start()])
        place = match.start()
        if token in "()":
            depth += 1 if token == "(" else -1
            pieces.append(token)
            place = match.end()
            if depth < 0:
                return place
            continue
        if '"' in token:
            place = _string(text, place, token, pieces)
            continue
        end = {"//": _end_of_line, "/*": _end_of_comment}.get(token, _end_of_regex)(text, match)
        pieces.append(_blank(text[place:end]) if end else token)
        place = end or match.end()
    pieces.append(text[place:])
    return len(text)


def _end_of_line(text, match):
    end = text.find("\n", match.end())
    return len(text) if end < 0 else end


def _end_of_comment(text, match):
    depth = 1
    place = match.end()
    while depth and (match := _comment_end.search(text, place)):
        depth += 1 if match.group() == "/*" else -1
        place = match.end()
    return place if depth == 0 else len(text)


def _end_of_regex(text, match):
    """Behind the regular expression that begins here; None where a slash divides."""
    hashes = match.group().count("#")
    if hashes == 0 and not _before_regex.search(text[max(0, match.start() - 20):match.start()]):
        return None
    end = re.compile(r"(?:\\.|\[(?:\\.|[^\]\n])*\]|[^/\\\n\[])*/" + "#" * hashes).match(text, match.end())
    return end.end() if end else None


def _string(text, start, token, pieces):
    """Appends a string as spaces and its interpolations as code; returns the place behind it."""
    quotes = token.lstrip("#")
    hashes = "#" * (len(token) - len(quotes))
    ends = quotes + hashes + ("" if len(quotes) > 1 else r"|\n")
    event = re.compile(rf"\\{hashes}\(|\\{hashes}.|{ends}", re.DOTALL)
    pieces.append(" " * len(token))
    place = start + len(token)
    while match := event.search(text, place):
        token = match.group()
        is_interpolation = token[0] == "\\" and token[-1] == "("
        pieces.append(_blank(text[place:match.end() - is_interpolation]))
        place = match.end()
        if is_interpolation:
            pieces.append("(")
            place = _scan(text, place, pieces, True)
        elif token[0] != "\\":
            return place
    pieces.append(_blank(text[place:]))
    return len(text)
