#!/usr/bin/python3
"""Plants an offence of each kind in a small tree, and expects exactly that guard's complaint."""
import os
import sys
import tempfile

import circles
import guards
import source

GOOD = {
    "Package.swift": """// swift-tools-version: 6.1
import PackageDescription
let heap = Target.Dependency.product(name: "HeapModule", package: "swift-collections")
let package = Package(
    targets: [
        .systemLibrary(name: "CThing"),
        .target(name: "Low", dependencies: ["CThing", heap]),
        .target(name: "High", dependencies: ["Low"]),
        .target(name: "Beside", path: "fuse/Beside"),
        .testTarget(name: "LowTests", dependencies: ["Low"]),
    ])
""",
    "README.md": "With [Swift 6.1 or newer](https://swift.org)\n",
    "CHANGELOG.md": "# Changes\n\n## 0.1.0, 2026-03-15\n",
    "docs/ARCHITECTURE.md": "# Architecture\n\n```floors\n2  High Beside\n1  Low\n0  CThing (Low)\n```\n",
    "Sources/icecore/Icecore.swift": 'let configuration = Configuration(version: "0.1.0")\n',
    "Sources/CThing/module.modulemap": "module CThing {}\n",
    "Sources/Low/Low.swift": "import CThing\nimport HeapModule\nstruct Low { enum Kind {} }\n",
    "Sources/High/High.swift": "import Foundation\nimport Low\nstruct High { enum Kind {} }\n",
    "fuse/Beside/Beside.swift": "struct Beside {}\n",
    "Tests/LowTests/LowTests.swift": "@testable import Low\nstruct LowTests {}\n",
}

LONG_FUNCTION = "{\n" + "    print(1)\n" * 79 + "}\n"
# What looks like an offence to those who do not know a string or a comment, and is none.
HARMLESS = {
    "Sources/High/Harmless.swift": '// struct Low {}\n/* /* */ struct Low {} */\nlet text = "struct Low {} \\(1 + f(")")) struct Low"\n'
    'let long = """\n    "quoted" struct Low {}\n    """\nlet raw = #"a \\( " struct Low"#\n'
    'let expression = /struct Low \\/ " {/\nfunc f(_ c: () -> Void = {}) ' + LONG_FUNCTION.replace("    print(1)\n", "", 1),
    "Sources/High/Asked.swift": "protocol Asked {\n    func f()\n" + "    func g(); func h()\n" * 90 + "}\n",
    "Tests/Fuzz/corpus/list/a.md": "x" * 200,
}

OFFENCES = [
    # What is planted: files and their text, or a change to one that is there. What must be said.
    ({"Sources/Low/Long.swift": "// line\n" * 501}, "Sources/Low/Long.swift: has 501 lines"),
    ({"Tests/LowTests/long.sh": "#!/bin/sh\n" * 501}, "Tests/LowTests/long.sh: has 501 lines"),
    ({"Sources/Low/F.swift": "func f(_ c: () -> Void = {}) throws -> Int " + LONG_FUNCTION}, "F.swift:1: f has 81 lines"),
    ({"Sources/Low/F.swift": "extension Low {\n    init?(a: Int) " + LONG_FUNCTION + "}\n"}, "F.swift:2: init has 81"),
    ({"Tests/LowTests/F.swift": "let f: () -> Void = " + LONG_FUNCTION}, "F.swift:1: f has 81 lines"),
    ({"Tests/LowTests/F.swift": "var f: Int " + LONG_FUNCTION}, "F.swift:1: f has 81 lines"),
    ({"Tests/LowTests/f.py": "def f():\n" + "    print(1)\n" * 80}, "f.py:1: f has 81 lines"),
    ({f"fuse/Beside/F{n}.swift": "" for n in range(15)}, "fuse/Beside: holds 16 source files"),
    ({"docs/FORMAT.md": "short\n" + "é" * 121 + "\n"}, "docs/FORMAT.md:2: has 121 columns"),
    ({"fuse/Beside/Other.swift": "enum Low {}\n"}, "the type Low has namesakes: fuse/Beside/Other.swift:1"),
    ({"Tests/LowTests/Other.swift": "extension A {\n    typealias High = Int\n}\n"}, "the type High has namesakes"),
    ({"fuse/Beside/Other.swift": "enum Kind {}\n"}, "the type Kind has namesakes"),
    ({"Sources/High/Low.swift": ""}, "Sources/High/Low.swift: has namesakes: Sources/Low/Low.swift"),
    ({"fuse/Beside/Beside.swift": "import Low\n"}, "imports Low, which Package.swift does not declare for Beside"),
    ({"Sources/Low/Up.swift": "@testable import High\n"}, "Up.swift: Low (floor 1) imports High (floor 2)"),
    ({"Sources/High/Side.swift": "public import struct Beside.Beside\n"}, "High (floor 2) imports Beside (floor 2)"),
    ({"Sources/High/C.swift": "import CThing\n"}, "High imports CThing, which is for Low only"),
    ({"docs/ARCHITECTURE.md": None}, "docs/ARCHITECTURE.md: has no block"),
    ({"docs/ARCHITECTURE.md": "```floors\n1 Low High\n```\n"}, "does not say on which floor Beside is"),
    ({"docs/ARCHITECTURE.md": "```floors\n3 Gone\n2 High Beside\n1 Low\n0 CThing\n```\n"}, "names Gone, which is no"),
    ({"Sources/Low/Low.swift": "import CThing\nstruct Low {}\n"}, "declares HeapModule for Low, which does not import"),
    ({"Tests/LowTests/LowTests.swift": "struct LowTests {}\n"}, "declares Low for LowTests, which does not import it"),
    ({"Tests/LowTests/Other.swift": "import HeapModule\n"}, "Package.swift does not declare for LowTests"),
    ({"docs/X.md": "as in `Sources/Low/Gone.swift`\n"}, "docs/X.md:1: names Sources/Low/Gone.swift, which is not there"),
    ({"docs/X.md": "see `GoneTests`\n"}, "names the tests GoneTests"),
    ({"docs/X.md": "see `LowTests/aTestThatIsGone`\n"}, "names the test aTestThatIsGone"),
    ({"README.md": "With Swift 6.0 or newer\n"}, "README.md: says 'Swift 6.0 or newer', and Package.swift is for 6.1"),
    ({"README.md": "With Swift\n"}, "README.md: does not say 'Swift N or newer'"),
    ({".build/checkouts/x/Package.swift": "// swift-tools-version:6.2\n"}, "and x needs 6.2"),
    ({"CHANGELOG.md": "## 0.1.01\n\n0.1.0\n"}, "CHANGELOG.md: has no heading for 0.1.0"),
]

ALLOWED = {
    "docs/X.md": "`Sources/Low`, `Sources/Low/Low`, `Tests/LowTests/`, `LowTests`, `LowTests/aTest` and `NoTestsAt/all`\n",
    "Tests/LowTests/Other.swift": "extension LowTests {\n    func aTest() {}\n}\n",
    ".build/checkouts/x/Package.swift": "// swift-tools-version:6.2\n",
    ".build/checkouts/x/Package@swift-5.9.swift": "// swift-tools-version: 5.9\n",
}


def complaints(files):
    """What the guards say of the small tree with these files; None takes one away."""
    with tempfile.TemporaryDirectory() as root:
        for path, text in {**GOOD, **files}.items():
            if text is not None:
                place = os.path.join(root, path)
                os.makedirs(os.path.dirname(place), exist_ok=True)
                with open(place, "w", encoding="utf-8") as file:
                    file.write(text)
        return guards.complaints(root), circles.circles(source.Tree(root))


def main():
    failures = []
    for files in ({}, HARMLESS, ALLOWED):
        if found := complaints(files)[0]:
            failures.append(f"nothing should be said of {sorted(files)}: {found}")
    for files, expected in OFFENCES:
        found, _ = complaints(files)
        if not any(expected in complaint for complaint in found):
            failures.append(f"'{expected}' should be said of {sorted(files)}: {found}")
    circle = {
        "Sources/Low/A.swift": "struct A { func a() -> B }\n", "Sources/Low/B.swift": "struct B { let c: C }\n",
        "Sources/Low/C.swift": 'struct C { let text = "\\(A())" }\n',
    }
    if complaints(circle)[1] != [sorted(circle)] or complaints({})[1]:
        failures.append(f"a circle of three files: {complaints(circle)[1]}")
    for failure in failures:
        print(f"Tests/lint/selftest.py: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
