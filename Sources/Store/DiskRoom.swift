import Basics
import Packs

/// What contents need of a disk.
public struct DiskNeed: Sendable, Equatable {
    public private(set) var files: Int64 = 0
    /// The sum of the sizes.
    public private(set) var bytes: Int64 = 0
    /// The sum of what the files take: see ``FreeSpace/unit``.
    public private(set) var diskBytes: Int64 = 0
    private let unit: Int64
    /// What is smaller goes into packs.
    private let packBelow: Int64
    /// The sum of the sizes of what goes into packs.
    private var packedBytes: Int64 = 0
    /// About what a content in a pack costs besides its bytes: its record, and entries in two directories.
    private static let packedCost: Int64 = 80

    /// - Parameters:
    ///   - unit: what the size of a file is rounded up to.
    ///   - packBelow: contents with fewer bytes go into packs.
    public init(unit: Int64, packBelow: Int64 = 0) {
        self.unit = max(1, unit)
        self.packBelow = packBelow
    }

    /// Adds a content.
    public mutating func add(size: Int64) {
        bytes = bytes.addingClamped(size)
        if size < packBelow {
            diskBytes = diskBytes.addingClamped(size.addingClamped(DiskNeed.packedCost))
            let packs = (packedBytes / PackWriter.usualSize, packedBytes.addingClamped(size) / PackWriter.usualSize)
            if packedBytes == 0 || packs.0 != packs.1 { files = files.addingClamped(1) }
            packedBytes = packedBytes.addingClamped(max(1, size))
            return
        }
        files = files.addingClamped(1)
        diskBytes = diskBytes.addingClamped(size.addingClamped((unit - size % unit) % unit))
    }

    /// Adds files that are no contents: ``bytes`` stays what it is.
    public mutating func add(overhead: (files: Int64, bytes: Int64)) {
        files = files.addingClamped(overhead.files)
        diskBytes = diskBytes.addingClamped(overhead.bytes)
    }

    /// As much for so many times the contents.
    public func scaled(by factor: Double) -> DiskNeed {
        func scaled(_ value: Int64) -> Int64 {
            let product = Double(value) * factor
            return product < 0x1p62 ? Int64(product.rounded()) : .max
        }
        var need = self
        (need.files, need.bytes, need.diskBytes) = (scaled(files), scaled(bytes), scaled(diskBytes))
        return need
    }

    /// The most that so many files of so many bytes can need.
    public init(atMost files: Int64, bytes: Int64, unit: Int64) {
        self.init(unit: unit)
        self.files = files
        self.bytes = bytes
        let (slack, overflow) = files.multipliedReportingOverflow(by: self.unit - 1)
        diskBytes = bytes.addingClamped(overflow ? .max : slack)
    }
}

/// The room on the disk of a store, or of what becomes one.
public struct DiskRoom: Sendable {
    /// An existing directory.
    public let path: String
    public let free: FreeSpace

    public init(_ path: String) throws {
        self.init(path, try FreeSpace(path))
    }

    public init(_ path: String, _ free: FreeSpace) {
        self.path = path
        self.free = free
    }

    public func holds(_ need: DiskNeed) -> Bool {
        need.diskBytes <= free.bytes && need.files <= free.files ?? .max
    }

    /// Why contents do not fit, as a sentence; nil if they do.
    ///
    /// - Parameter subject: what needs the room, such as `the sync`.
    public func shortage(_ need: DiskNeed, of subject: String) -> String? {
        if need.bytes > free.bytes {
            return "\(need.bytes.of("byte")) must be fetched, but '\(path)' has only \(free.bytes.of("byte")) free"
        }
        if let files = free.files, need.files > files {
            return "\(subject) needs \(need.files.of("file")), but '\(path)' has only \(files.of("inode")) free"
        }
        if need.diskBytes > free.bytes {
            return
                "\(subject) needs \(need.diskBytes.of("byte")) (\(need.files.of("file")), in blocks of \(free.unit) bytes), but "
                + "'\(path)' has only \(free.bytes.of("byte")) free"
        }
        return nil
    }
}
