/// What went wrong: a code for programs, a sentence for people, and the cause.
///
/// The sentence says what happened, where, and what to do about it. It never contains a secret.
public struct IcecoreError: Error, Sendable {
    /// The kind of failure. Exit statuses and retries depend on it, never on the text.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        public let description: String

        private init(_ description: String) {
            self.description = description
        }

        /// The command line, or other input by the user, is malformed. Exit status 64.
        public static let usage = Code("usage")
        /// External data (an inventory, XML, a configuration file) is malformed.
        public static let invalidData = Code("invalidData")
        /// A key, a snapshot, a bucket or a file does not exist.
        public static let notFound = Code("notFound")
        /// Access was denied, by credentials or permissions.
        public static let forbidden = Code("forbidden")
        /// Another process uses what is needed: the store's lock, a mount point.
        public static let busy = Code("busy")
        /// The disk is full.
        public static let noSpace = Code("noSpace")
        /// A server could not be reached, or failed after all retries.
        public static let unavailable = Code("unavailable")
        /// Not supported, such as a store written by a newer Icecore.
        public static let unsupported = Code("unsupported")
        /// The store's own data is inconsistent.
        public static let damaged = Code("damaged")
        /// A system call failed.
        public static let system = Code("system")
        /// A signal asked to stop.
        public static let interrupted = Code("interrupted")
        /// Done, but without objects that the source may still have. Exit status 3.
        public static let incomplete = Code("incomplete")
    }

    public var code: Code
    public var message: String
    public var cause: (any Error)?
    /// The errno of a failed system call; otherwise 0.
    public var errno: Int32

    public init(_ code: Code, _ message: String, cause: (any Error)? = nil, errno: Int32 = 0) {
        self.code = code
        self.message = message
        self.cause = cause
        self.errno = errno
    }

    /// The exit status of a command that ends with this error: 64 for usage, 3 for incomplete, otherwise 1.
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
