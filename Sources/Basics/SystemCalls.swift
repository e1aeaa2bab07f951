import Glibc

extension IcecoreError {
    /// The error of a failed system call: the one place where errno becomes a sentence.
    ///
    /// - Parameters:
    ///   - action: what was attempted, as in "cannot open".
    ///   - path: the file it was attempted on.
    ///   - number: errno right after the call.
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

/// Calls `body` again for as long as it fails with EINTR; throws the error of any other failure (a result below 0).
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

/// Lets this process have as many files open as it may at all. The usual first limit of 1024 is for programs that use
/// select(2).
public func raiseLimitOfOpenFiles() {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = min(limit.rlim_max, 65536)
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
}
