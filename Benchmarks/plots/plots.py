#!/usr/bin/env python3
"""Draws the pictures of docs/BENCHMARKS.md: docs/pictures/benchmarks.svg from summary.json, and, where
Benchmarks/year/year.sh has left its figures in .build/bench/year.csv, docs/pictures/year.svg.

    Benchmarks/plots/plots.py
"""

import csv
import html
import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PICTURES = f"{ROOT}/docs/pictures"
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f; stroke: none !important } .title { font-weight: 600 } .small { font-size: 11px; fill: #57606a }
.axis { stroke: #d0d7de } .a { fill: #0969da; stroke: #0969da } .b { fill: #8c959f; stroke: #8c959f }
.c { fill: #1a7f37; stroke: #1a7f37 } .line { fill: none; stroke-width: 1.5 } rect { stroke: none }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .small { fill: #8b949e } .axis { stroke: #30363d }
.a { fill: #58a6ff; stroke: #58a6ff } .b { fill: #6e7681; stroke: #6e7681 } .c { fill: #3fb950; stroke: #3fb950 } .line { fill: none }
}"""


class Picture:
    def __init__(self, width, height, title):
        self.width, self.height = width, height
        self.parts = [f"<title>{html.escape(title)}</title>", f"<style>{STYLE}</style>"]

    def text(self, x, y, text, kind="", anchor="start"):
        self.parts.append(f'<text x="{x:.0f}" y="{y:.0f}" class="{kind}" text-anchor="{anchor}">{html.escape(text)}</text>')

    def box(self, x, y, width, height, kind):
        self.parts.append(f'<rect x="{x:.0f}" y="{y:.0f}" width="{max(1, width):.1f}" height="{height}" rx="2" class="{kind}"/>')

    def line(self, points, kind):
        text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{text}" class="{kind} line"/>')

    def save(self, name):
        with open(f"{PICTURES}/{name}", "w") as file:
            file.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
                       f'width="{self.width}" height="{self.height}">\n' + "\n".join(self.parts) + "\n</svg>\n")


def bars(works):
    """A group of bars for each work: what it took, the shortest is the best."""
    height = 20 + sum(34 + 22 * len(work["seconds"]) for work in works)
    picture = Picture(720, height, "What Icecore takes beside other programs")
    y = 16
    for work in works:
        picture.text(0, y, work["work"], "title")
        y += 10
        most = max(work["seconds"].values())
        for who, seconds in work["seconds"].items():
            width = 400 * seconds / most
            picture.box(190, y, width, 16, "a" if who.startswith("icecore") else "b")
            picture.text(184, y + 12, who, "", "end")
            picture.text(196 + width, y + 12, f"{seconds:g} {work.get('unit', 's')}", "small")
            y += 22
        y += 24
    picture.save("benchmarks.svg")


def nice(value):
    """The next number above that is good for an axis."""
    step = 1
    while step * 10 <= value:
        step *= 10
    while step > value and step > 1e-6:
        step /= 10
    return next(step * factor for factor in (1, 2, 3, 5, 8, 10, 20) if step * factor >= value)


def chart(picture, left, top, title, series, unit):
    """A chart of lines: name, kind, and points of night and value."""
    width, height = 300, 130
    picture.text(left, top, title, "title")
    nights = max(night for _, _, points in series for night, _ in points) or 1
    most = nice(max(value for _, _, points in series for _, value in points))
    base = top + 20 + height
    for share in (0, 0.5, 1):
        y = base - height * share
        picture.line([(left + 40, y), (left + 40 + width, y)], "axis")
        picture.text(left + 36, y + 4, f"{most * share:g}", "small", "end")
    for number, (name, kind, points) in enumerate(series):
        line = [(left + 40 + width * night / nights, base - height * value / most) for night, value in points]
        picture.line(line, kind)
        picture.text(left + 40 + number * 100, base + 32, f"— {name}", f"small {kind}")
    picture.text(left + 40, base + 15, "night 1", "small")
    picture.text(left + 40 + width, base + 15, f"{nights + 1}", "small", "end")
    picture.text(left + 40 + width, top, unit, "small", "end")


def year(rows):
    def points(column):
        return [(int(row["night"]), float(row[column])) for row in rows if row[column]]

    picture = Picture(760, 440, "A year of nights")
    chart(picture, 0, 16, "Seconds a night", [("sync", "a", points("sync s")[1:]), ("push", "b", points("push s")[1:]),
                                              ("verify", "c", points("verify s"))], "s")
    chart(picture, 390, 16, "Memory", [("sync", "a", points("sync MiB")), ("push", "b", points("push MiB")),
                                       ("verify", "c", points("verify MiB"))], "MiB")
    chart(picture, 0, 236, "Index", [("index.sqlite", "a", points("index MB"))], "MB")
    chart(picture, 390, 236, "On the disk, index and inventories included", [("store", "a", points("store MB")), ("replica", "b", points("replica MB"))], "MB")
    picture.save("year.svg")


def main():
    with open(f"{HERE}/summary.json") as file:
        bars(json.load(file))
    figures = f"{ROOT}/.build/bench/year.csv"
    if os.path.exists(figures):
        with open(figures, newline="") as file:
            year(list(csv.DictReader(file)))


if __name__ == "__main__":
    main()
