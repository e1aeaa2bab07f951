import Basics
import Foundation
import Testbed
import Testing

/// File systems that people export to and that are not like the others: real ones, on images, by their FUSE drivers.
enum OddDisk: String, CaseIterable {
    /// As Windows sees it: names without regard to case, and without what Windows cannot spell.
    case ntfs
    /// Times in steps of two seconds; the driver knows no letters beyond ASCII.
    case fat
    case exfat
    /// Names that are the same once they are normalised are one.
    case zfs

    /// Where the programs of a system are that are not for everybody.
    private static let path = "PATH=/usr/sbin:/sbin:/usr/bin:/bin"

    /// Runs a test with such a disk.
    ///
    /// - Parameter body: gets the path where it is mounted.
    func use(_ scenario: Scenario, _ body: (String) throws -> Void) throws {
        let point = "\(scenario.directory)/\(rawValue)"
        let image = "\(point).img"
        try Files.createDirectory(point)
        func shell(_ script: String) throws -> Run {
            try scenario.shell("\(OddDisk.path); image=\(image); point=\(point); \(script)")
        }
        func attach(_ script: String) throws {
            let run = try shell(script)
            try #require(run.status == 0 && Scenario.isMounted(point), "\(run)")
        }
        defer { _ = try? shell("umount $point || umount -l $point") }
        switch self {
        case .ntfs:
            try attach(
                """
                truncate -s 64M $image && mkntfs -q -F -f $image >/dev/null 2>&1 &&
                lowntfs-3g -o ignore_case,windows_names $image $point
                """)
            try body(point)
        case .fat:
            // In other time zones, the driver gives other times back than were set.
            try attach(
                """
                truncate -s 64M $image && mkfs.vfat -F 32 $image >/dev/null &&
                TZ=UTC0 fusefat -o rw+ $image $point >/dev/null 2>&1
                """)
            try body(point)
        case .exfat:
            try attach(
                """
                truncate -s 64M $image && mkfs.exfat $image >/dev/null &&
                mount.exfat-fuse $(losetup -f --show $image) $point >/dev/null
                """)
            defer { _ = try? shell("umount $point; losetup -d $(losetup -nO NAME -j $image)") }
            try body(point)
        case .zfs:
            // One daemon has all pools.
            let daemon = try RunningProgram(
                "/usr/sbin/zfs-fuse", [bytes("-n")], environment: [:], currentDirectory: "/",
                outputs: "\(scenario.directory)/outputs")
            let pool = "test\(getpid())"
            defer {
                _ = try? shell("zpool destroy -f \(pool)")
                daemon.kill(SIGKILL)
                _ = try? daemon.wait(seconds: 10)
            }
            try attach(
                """
                truncate -s 128M $image; n=0
                until zpool create -O normalization=formD -m $point \(pool) $image; do
                    n=$((n+1)); [ $n -lt 50 ] || exit 1; sleep 0.2
                done
                """)
            try body(point)
        }
    }
}

/// A tree that an export has written: the content of each file, without the export's own list.
func exported(_ target: String) throws -> [String: String] {
    var files: [String: String] = [:]
    for path in try StoreDigest.files(target) where path != ".icecore-export-list" {
        let content = try Files.read("\(target)/\(path)", limit: 1 << 26)
        // What is no text is told by its digest: to repair each wrong byte of it would take most of a test's time.
        files[path] = String(validating: content, as: UTF8.self) ?? Hex.encode(MD5.digest(content))
    }
    return files
}

extension Run {
    /// The keys that an export has not written, with the reason.
    var leftOut: [String: String] {
        get throws {
            try records.reduce(into: [:]) { found, record in
                if let key = record["key"] as? String { found[key] = record["leftOut"] as? String }
            }
        }
    }

    /// What is counted in the last record.
    func count(_ name: String) throws -> Int? {
        try records.last?[name] as? Int
    }
}

extension Scenario {
    /// Runs a test with a store of as many snapshots as there are lists of rows, with any keys: no server is asked for
    /// these, since their contents have been fetched under others.
    static func withSnapshots(
        _ names: [String], _ snapshots: [[InventoryFolder.Row]], _ body: (Scenario) throws -> Void
    ) throws {
        try withBucket { scenario in
            let contents = Set(snapshots.joined().map(\.content))
            let helpers = contents.enumerated().map { InventoryFolder.Row("helper-\($0.offset)", $0.element) }
            try scenario.add("2024-03-01T01-00Z", helpers)
            try scenario.succeed("sync")
            for (name, rows) in zip(names, snapshots) {
                try scenario.folder.write(name, rows)
                try scenario.succeed("sync")
            }
            try body(scenario)
        }
    }
}
