/// What went wrong, as a value: a code that programs act on, a sentence that people act on, and what caused it.
///
/// The sentence says what happened, where, and what to do about it; it never holds a secret.
public struct IcecoreError: Error, Sendable {
    /// What kind of failure it is. Exit statuses and retries follow the code, never the text.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        public let description: String

        private init(_ description: String) {
            self.description = description
        }

        /// The command line, or something else a person typed, is malformed. Exit status 64.
        public static let usage = Code("usage")
        /// Something from outside (an inventory, XML, a configuration file) does not have the form it must have.
        public static let invalidData = Code("invalidData")
        /// Something that was named does not exist: a key, a snapshot, a bucket, a file.
        public static let notFound = Code("notFound")
        /// Access was refused: credentials, permissions.
        public static let forbidden = Code("forbidden")
        /// Somebody else holds what is needed: the store's lock, a mount point.
        public static let busy = Code("busy")
        /// Too little room on the disk.
        public static let noSpace = Code("noSpace")
        /// A server could not be reached or failed after all retries.
        public static let unavailable = Code("unavailable")
        /// The store was written by a newer Icecore, or something is not supported.
        public static let unsupported = Code("unsupported")
        /// The store's own data contradict themselves.
        public static let damaged = Code("damaged")
        /// A system call failed.
        public static let system = Code("system")
        /// The person, or a signal, asked to stop.
        public static let interrupted = Code("interrupted")
        /// Done, but objects are missing that the source may still have. Exit status 3.
        public static let incomplete = Code("incomplete")
    }

    public var code: Code
    public var message: String
    public var cause: (any Error)?
    /// For `Code.system`, the errno; else 0.
    public var errno: Int32

    public init(_ code: Code, _ message: String, cause: (any Error)? = nil, errno: Int32 = 0) {
        self.code = code
        self.message = message
        self.cause = cause
        self.errno = errno
    }

    /// The exit status of a command that ends with this error (DESIGN: 64 the command line, 3 incomplete, else 1).
    public var exitStatus: Int32 {
        switch code {
        case .usage: 64
        case .incomplete: 3
        default: 1
        }
    }
}

extension IcecoreError: CustomStringConvertible {
    public var description: String {
        guard let cause else { return message }
        return "\(message): \(cause)"
    }
}
