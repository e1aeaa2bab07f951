import Foundation

/// Inventories in Parquet and ORC, written by pyarrow and pyorc: see reports/columnar.py.
public enum ColumnarReports {
    private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()

    /// Python with what Tests/Testbed/servers/install.sh has installed.
    public static let python = tests.deletingLastPathComponent().path + "/.build/testbed-venv/bin/python3"

    /// Writes the inventories of a directory, which are in CSV, in another format.
    ///
    /// - Parameters:
    ///   - target: may be the same directory; then those in CSV are replaced.
    ///   - format: `parquet`, `orc`, or `mixed` for any of the three.
    ///   - seed: decides how: compression, encodings, sizes of pages and groups, the order of columns.
    public static func write(_ source: String, to target: String, _ format: String, seed: UInt64) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: python)
        process.arguments = [
            "-B", tests.path + "/Testbed/reports/columnar.py", source, target, format, String(seed),
        ]
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw TestbedError("columnar.py has failed: is the test bed installed?")
        }
    }
}
