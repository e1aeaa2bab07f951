import Basics
import Foundation
import Testbed
import Testing

/// The programs that people use on directories, on a mount: each sees what it would see in a copy.
@Suite struct ApplicationTests {
    typealias Row = InventoryFolder.Row

    /// Directories of small files, odd names among them, and files that are read in pieces.
    private static let files: [(key: String, content: [UInt8])] = {
        var files: [(String, [UInt8])] = []
        for directory in 0..<12 {
            for file in 0..<25 {
                let text = file % 5 == 0 ? "a needle in line \(file)\n" : "hay\n"
                files.append(("data/d\(directory)/file \(file).txt", bytes("\(directory) \(file)\n\(text)")))
            }
        }
        files.append(("empty", []))
        files.append(("names/with'quote \"and\" $HOME;x", bytes("odd")))
        files.append(("names/ümlaut 🧊", bytes("ice")))
        for (number, size) in [4096, 131_072, 131_073, 1 << 20, 3_000_001].enumerated() {
            files.append(("large/\(number)", RealBucket.content(seed: UInt64(100 + number), count: size)))
        }
        return files
    }()

    /// Mounts the files, and writes them to a directory, too.
    private func use(_ body: (_ scenario: Scenario, _ mount: String, _ expected: String) throws -> Void) throws {
        try Scenario.withBucket { scenario in
            try scenario.add("2024-03-02T01-00Z", ApplicationTests.files.map { Row($0.key, $0.content) })
            try scenario.succeed("sync")
            let expected = "\(scenario.directory)/expected"
            for (key, content) in ApplicationTests.files {
                try FileManager.default.createDirectory(
                    at: URL(filePath: "\(expected)/\(key)").deletingLastPathComponent(),
                    withIntermediateDirectories: true)
                try Data(content).write(to: URL(filePath: "\(expected)/\(key)"))
            }
            try body(scenario, try scenario.mount(), expected)
        }
    }

    @Test func ordinaryProgramsSeeAnOrdinaryDirectory() throws {
        try use { scenario, mount, expected in
            try scenario.shell(
                """
                cmp <(cd "$1" && grep -r needle . | sort) <(cd "$2" && grep -r needle . | sort)
                [ "$(cd "$1" && grep -r needle . | wc -l)" = 60 ]
                cmp <(cd "$1" && find . -type f | sort) <(cd "$2" && find . -type f | sort)
                [ "$(du -s --apparent-size -b "$1/large" | cut -f 1)" = \
                    "$(cat "$2"/large/* | wc -c)" ]
                """, mount, expected)
            try scenario.shell(
                """
                mkdir fromTar && tar -C "$1" -cf - . | tar -C fromTar -xf -
                diff -r fromTar "$2" && diff -r "$1" "$2"
                """, mount, expected)
            try scenario.shell(
                """
                (cd "$2" && find . -type f -print0 | xargs -0 sha256sum) > sums
                cd "$1" && sha256sum --quiet -c "$OLDPWD/sums"
                """, mount, expected)
        }
    }

    @Test func rsyncAndGitTakeACopy() throws {
        try use { scenario, mount, expected in
            try scenario.shell(
                """
                rsync -a --checksum "$1/" copy/
                diff -r copy "$2"
                again=$(rsync -a --checksum --itemize-changes "$1/" copy/)
                [ -z "$again" ] || { echo "rsync would change: $again" >&2; exit 1; }
                """, mount, expected)
            try scenario.shell(
                """
                git init -q repository && cp -r "$1/." repository/ && cd repository
                git -c core.autocrlf=false add -A && git fsck --strict
                [ "$(git ls-files -z | tr -cd '\\0' | wc -c)" = "$(find "$2" -type f | wc -l)" ]
                cd "$1" && git --git-dir="$OLDPWD/.git" --work-tree=. diff --stat --exit-code
                """, mount, expected)
        }
    }

    @Test func sixteenProcessesReadHereAndThere() throws {
        try use { scenario, mount, expected in
            let script = """
                import os, random, sys
                mount, expected, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
                random.seed(seed)
                paths = [os.path.relpath(os.path.join(at, name), expected)
                         for at, _, names in os.walk(expected) for name in names]
                large = ["large/%d" % number for number in range(5)]
                for _ in range(400):
                    path = random.choice(large if random.random() < 0.7 else paths)
                    with open(os.path.join(expected, path), "rb") as file:
                        content = file.read()
                    offset = random.randrange(len(content) + 2)
                    count = random.choice([1, 4096, 65537, 1 << 20])
                    with open(os.path.join(mount, path), "rb", buffering=0) as file:
                        got = os.pread(file.fileno(), count, offset)
                        whole = b"" if random.random() < 0.9 else file.read()
                    assert got == content[offset:offset + count], (path, offset, count)
                    assert whole in (b"", content), path
                """
            try Files.replace("\(scenario.directory)/read.py", with: bytes(script))
            try scenario.shell(
                """
                for seed in $(seq 16); do
                    python3 read.py "$1" "$2" "$seed" &
                    processes="${processes:-} $!"
                done
                for process in $processes; do wait "$process"; done
                """, mount, expected)
        }
    }
}
