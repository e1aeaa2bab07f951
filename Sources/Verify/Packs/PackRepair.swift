import Basics
import Glibc
import Model
import Packs
import Store

/// Replaces damaged packs by such as have only their sound contents, and has the catalogue forget those that have vanished.
///
/// Until ``commit()`` the damaged packs count: what a kill leaves before that is a pack of which everything is known, and the
/// next process removes it. Only for the holder of the store's lock.
final class PackRepair {
    private let store: Store
    private let keeper: PackKeeper
    private let reports: [PackReport]
    private let time: Timestamp
    private var added: [PackName] = []
    /// Packs of which everything was saved: there is nothing to keep of them.
    private var saved: Set<PackName> = []

    init(_ store: Store, _ reports: [PackReport], at time: Timestamp) {
        self.store = store
        self.reports = reports.filter { $0.remedy != .none }
        self.time = time
        keeper = PackKeeper(store)
    }

    var isNeeded: Bool { !reports.isEmpty }
    /// The packs whose place others take.
    private var rewritten: [PackReport] { reports.filter { $0.remedy == .rewriting } }

    /// A line of the log for each pack that is moved away.
    func note(in notes: inout [UInt8]) {
        for report in rewritten where isKept(report) {
            var line = JSONLine()
            line.begin()
            line.add("time", time.rfc3339)
            line.add("pack", report.name.description)
            line.add("file", PackKeeper.quarantineName(of: report.name, at: time))
            line.add("reason", report.trouble?.reason ?? report.hits.first?.reason)
            line.end()
            notes += line.bytes
        }
    }

    private func isKept(_ report: PackReport) -> Bool { !saved.contains(report.name) }

    // MARK: - Writing

    /// Writes the sound contents of damaged packs into new ones, which do not count yet.
    func rewrite() throws {
        for report in rewritten {
            try Interruption.check()
            let isWhole = try rewrite(report)
            if isWhole, report.hits.isEmpty { saved.insert(report.name) }
        }
    }

    /// - Returns: whether everything that the pack had is in the new one.
    private func rewrite(_ report: PackReport) throws -> Bool {
        let path = store.packs.folder.path(of: report.name)
        let damaged = Set(report.hits.map(\.place))
        let writer = try keeper.newPack()
        var isFinished = false
        defer { if !isFinished { try? writer.discard() } }
        var isWhole = true
        var buffer: [UInt8] = []
        do {
            let file = try File.regular(path)
            func save(_ record: PackRecord) throws {
                if damaged.contains(record.place) { return }
                let size = Int(record.name.size)
                if buffer.count < size { buffer = [UInt8](repeating: 0, count: size) }
                try buffer.withUnsafeMutableBytes { buffer in
                    let content = UnsafeMutableRawBufferPointer(rebasing: buffer[..<size])
                    try file.read(into: content, at: record.content.lowerBound)
                    if try writer.append(record.name, UnsafeRawBufferPointer(content)) == nil { isWhole = false }
                }
            }
            if report.hasDirectory {
                let pack = try openForRecords(path)
                try pack.verify({ try save($0) }, damaged: { _ in isWhole = false })
            } else {
                let first = report.firstRecord.map { [$0] } ?? []
                try PackScan(path: path, records: first).run { stretch in
                    // Without a trailer, the directory is no record either.
                    if case .record(let record) = stretch {
                        try save(record)
                    } else if !report.isAccounted {
                        isWhole = false
                    }
                }
            }
        } catch let error as IcecoreError {
            // What can be read no further is moved away with what is left in it.
            let isOfPack = error.code == .damaged || error.code == .invalidData
            if !isOfPack && ![EIO, ELOOP, EISDIR, ENXIO].contains(error.errno) { throw error }
            isWhole = false
        }
        isFinished = true
        if let pack = try writer.finish(in: store.packs.folder) { added.append(pack.name) }
        return isWhole
    }

    private func openForRecords(_ path: String) throws -> PackFile {
        do {
            return try PackFile(path: path)
        } catch let error as IcecoreError where error.code == .damaged {
            return try PackFile(forRecordsOf: path)
        }
    }

    // MARK: - The commit

    /// Has the new packs count, and moves the old ones away.
    func commit() throws {
        guard isNeeded else { return }
        var removed: Set<PackName> = []
        var files: [PackName: String] = [:]
        for report in reports where report.remedy != .catalogue {
            removed.insert(report.name)
            if report.remedy == .rewriting, isKept(report) {
                files[report.name] = PackKeeper.quarantineName(of: report.name, at: time)
            }
        }
        try keeper.commit(
            adding: added, removing: removed, keeping: files, anew: reports.contains { $0.remedy == .catalogue })
    }

    /// Counts what is right now.
    func count(in outcome: inout VerifyOutcome) {
        outcome.rewrittenPacks = rewritten.count
        for report in reports {
            outcome.mended += report.hits.count
            if let trouble = report.trouble, trouble.kind == .damaged || trouble.kind == .unreadable {
                outcome.mended += 1
            }
        }
    }
}
