import Download
import Model
import S3

/// What is mounted, where, and how.
public struct MountOptions: Sendable {
    /// What the root of the mount is.
    public enum Layout: Sendable, Hashable {
        /// One view. `latest` and instants follow the commits of syncs.
        case view(When)
        /// `latest/`, `at/`, `versions/` and a `README.txt`.
        case history
    }

    /// An existing directory.
    public var mountPoint: String
    /// Whether it may hold files, which the mount hides.
    public var allowsNonEmpty = false
    public var layout: Layout = .view(.latest)
    /// Serve from the calling process until it is unmounted, instead of from a daemon.
    public var foreground = false
    /// Let other users in.
    public var allowOther = false
    /// Whom all files and directories belong to; nil: the mounting user.
    public var owner: UInt32?
    /// Their group; nil: the mounting user's.
    public var group: UInt32?
    /// Permissions that files (0444) and directories (0555) are not to have.
    public var umask: UInt32 = 0
    /// Never ask the network for a content that is not in the store.
    public var offline = false
    /// The process's environment: credentials and endpoint, for contents that are not in the store.
    public var environment: [String: String] = [:]
    /// Where contents that are not in the store come from, and how to reach it; nil: the store's bucket.
    public var origin: (ContentOrigin, client: @Sendable () throws -> S3Client)?
    /// Makes the store's directories again if somebody removes them; nil: only `tmp/`.
    public var restore: (@Sendable () throws -> Void)?
    /// Called at this interval while the mount exists, on a thread of its own.
    public var refresh: (seconds: Int, call: @Sendable () throws -> Void)?
    /// Let the kernel read large files itself, where it is able to and the process is allowed to (root).
    public var passthrough = true
    /// What `mount` and `df` show as the source of the mount; by default `icecore:BUCKET`.
    public var sourceName: String?
    /// Called once the mount can be used, in the calling process, with what is mounted.
    public var whenMounted: @Sendable (Mounted) -> Void = { _ in }

    public init(mountPoint: String) {
        self.mountPoint = mountPoint
    }
}

/// What a mount shows.
public struct Mounted: Sendable {
    /// Absolute, without symbolic links.
    public var mountPoint: String
    /// What WHEN became, in words: `snapshot 2024-11-06T01-00Z`, `the instant 2024-11-06T23:59:59.999Z`, …
    public var shows: String
}
