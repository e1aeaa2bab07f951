import Foundation
import Testbed
import Testing

extension Scenario {
    /// Runs other programs on what is mounted: a script, with what it needs as its arguments `$1`, `$2`, …
    @discardableResult
    func shell(
        _ script: String, _ words: String..., seconds: Double = 120, sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Run {
        let run = try RunningProgram(
            "/bin/bash", (["-euo", "pipefail", "-c", script, "bash"] + words).map { Array($0.utf8) },
            environment: ["HOME": directory, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"],
            currentDirectory: directory, outputs: "\(directory)/outputs"
        ).wait(seconds: seconds)
        #expect(run.status == 0, "\(run)", sourceLocation: sourceLocation)
        return run
    }
}
