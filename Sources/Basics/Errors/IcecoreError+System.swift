import Glibc

extension IcecoreError {
    /// The error of a failed system call: the only place where errno becomes a sentence.
    ///
    /// - Parameters:
    ///   - action: what was attempted, as in "cannot open".
    ///   - path: the file concerned.
    ///   - number: errno, right after the call.
    public static func system(_ action: String, _ path: String, errno number: Int32) -> IcecoreError {
        let code: Code
        switch number {
        case ENOENT, ENOTDIR: code = .notFound
        case EACCES, EPERM: code = .forbidden
        case ENOSPC, EDQUOT: code = .noSpace
        case EBUSY: code = .busy
        default: code = .system
        }
        return IcecoreError(code, "\(action) '\(path)': \(String(cString: strerror(number)))", errno: number)
    }
}

/// Repeats `body` while it fails with EINTR; throws on any other failure (a result below 0).
@discardableResult
public func systemCall<Result: BinaryInteger>(
    _ action: @autoclosure () -> String, _ path: @autoclosure () -> String, _ body: () -> Result
) throws(IcecoreError) -> Result {
    while true {
        let result = body()
        if result >= 0 { return result }
        let number = errno
        if number != EINTR { throw .system(action(), path(), errno: number) }
    }
}
