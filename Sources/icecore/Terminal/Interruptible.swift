import Basics

/// Runs a long piece of work and erases its progress line when it ends, however it ends.
///
/// - Parameter advice: what to tell the person who interrupts it.
func interruptible<Result>(_ line: ProgressLine, _ advice: String, _ body: () throws -> Result) throws -> Result {
    defer { line.clear() }
    do {
        return try body()
    } catch let error as IcecoreError where error.code == .interrupted {
        throw IcecoreError(.interrupted, advice)
    }
}
