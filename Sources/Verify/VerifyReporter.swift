/// Receives what a verification does and finds; all calls come from one thread.
public protocol VerifyReporter {
    func progress(_ progress: VerifyProgress)
    func note(_ text: String)
    func warning(_ text: String)
    func finding(_ finding: Finding) throws
}

/// How far a verification has come.
public enum VerifyProgress: Sendable {
    case index
    case inventories(done: Int, of: Int)
    /// The fraction done, blobs and bytes read, findings.
    case blobs(fraction: Double, blobs: Int64, bytes: Int64, findings: Int)
    case rows(Int64)
    case fetching(objects: Int, bytes: Int64, failed: Int)
}
