import Basics
import Download
import Glibc
import Model
import Packs
import Store

/// Checks packs: each content against its name, and what encloses the contents. Each thread has its own.
final class PackCheck {
    private let store: Store
    private let catalogue: PackCatalogue?
    private let sample: Double?
    private let parts: (ETag, Int64) -> PartLayout?
    private let read: (Int) throws -> Void
    private let checked: () -> Void
    private var content: [UInt8] = []

    /// - Parameters:
    ///   - sample: the share of the contents to check; nil: all.
    ///   - parts: the recorded parts of a multipart upload, if there are any.
    ///   - read: called with the length of every record that was read; may wait, or throw.
    ///   - checked: called for every content that was checked.
    init(
        _ store: Store, _ catalogue: PackCatalogue?, sample: Double?, parts: @escaping (ETag, Int64) -> PartLayout?,
        read: @escaping (Int) throws -> Void, checked: @escaping () -> Void
    ) {
        self.store = store
        self.catalogue = catalogue
        self.sample = sample
        self.parts = parts
        self.read = read
        self.checked = checked
    }

    func check(_ target: PackTarget) throws -> PackReport {
        var report = PackReport(target.name)
        let path = store.packs.folder.path(of: target.name)
        let pack: PackFile
        do {
            pack = try open(path, &report)
        } catch let error as IcecoreError {
            try note(error, path, target, &report)
            if report.remedy == .rewriting { try scan(path, target, &report) }
            return report
        }
        do {
            if target.number == nil, catalogue != nil, report.isSound {
                _ = try pack.entrySum()
                report.trouble = (.foreign, "is not in the catalogue: the next sync adds it, or does without it")
                return report
            }
            guard pack.hasDirectory else { throw IcecoreError(.damaged, "has no directory") }
            try verify(pack, &report)
            try compare(pack, target, &report)
        } catch let error as IcecoreError where error.code == .damaged || error.errno == EIO {
            report.trouble = report.trouble ?? (.damaged, error.withoutSubject(path))
            report.remedy = .rewriting
            try scan(path, target, &report)
        }
        if !report.hits.isEmpty { report.remedy = .rewriting }
        return report
    }

    /// Opens a pack; what encloses its records may be damaged.
    private func open(_ path: String, _ report: inout PackReport) throws -> PackFile {
        do {
            return try PackFile(path: path)
        } catch let error as IcecoreError where error.code == .damaged {
            report.trouble = (.damaged, error.withoutSubject(path))
            report.remedy = .rewriting
            return try PackFile(forRecordsOf: path)
        }
    }

    /// Notes why a pack cannot be opened. Errors that are this machine's rather than the file's are thrown.
    private func note(
        _ error: IcecoreError, _ path: String, _ target: PackTarget, _ report: inout PackReport
    ) throws {
        switch error.code {
        case .interrupted: throw error
        case .unsupported: report.trouble = (.unreadable, error.withoutSubject(path))
        case .damaged, .invalidData:
            report.trouble = (.damaged, error.withoutSubject(path))
            report.remedy = .rewriting
        default:
            switch try BlobCheck.condition(error.errno, path) {
            case .sound: throw error
            case .vanished:
                // It may have been replaced since the catalogue was read.
                if try isGone(target) { return }
                report.trouble = (.missing, "is in the catalogue, and not there")
                report.remedy = .forgetting
            case .unreadable(let reason): report.trouble = (.unreadable, reason)
            case .failing(let reason):
                report.trouble = (.unreadable, reason)
                report.remedy = .rewriting
            case .damaged(let reason):
                report.trouble = (.damaged, reason)
                report.remedy = .rewriting
            }
        }
    }

    private func isGone(_ target: PackTarget) throws -> Bool {
        guard target.number != nil else { return true }
        _ = try store.packs.refresh()
        return try store.packs.current().map { !$0.packs.values.contains(target.name) } ?? true
    }

    // MARK: - By the directory

    private func verify(_ pack: PackFile, _ report: inout PackReport) throws {
        var hits: [PackHit] = []
        // Neighbours, so that a sample is read in pieces.
        var last: (piece: UInt32, isWanted: Bool)?
        try pack.verify(
            { record in
                if try !isRight(record, pack) {
                    hits.append(PackHit(place: record.place, key: try key(record), name: record.name))
                }
                checked()
                try read(Int(record.end - Int64(record.place)))
            },
            damaged: { record in
                let name = pack.name(ofRecordAt: record.place, record.key)
                hits.append(PackHit(place: record.place, key: record.key, name: name))
                checked()
            },
            only: { place in
                guard let sample else { return true }
                let piece = place >> 20
                if let last, last.piece == piece { return last.isWanted }
                let isWanted = Double.random(in: 0..<1) < sample
                last = (piece, isWanted)
                return isWanted
            })
        report.hits = hits
    }

    private func key(_ record: PackRecord) throws -> PackKey {
        guard let key = PackKey(record.name) else {
            throw IcecoreError(.damaged, "has a content that no pack can have: \(record.name.file)")
        }
        return key
    }

    /// Whether the content of a multipart upload has the ETag of the parts that are recorded. Where none are, what vouches for
    /// it is the check that was made when it was written.
    private func isRight(_ record: PackRecord, _ pack: PackFile) throws -> Bool {
        guard case .etag(let etag, let size) = record.name, etag.parts > 0, let recorded = parts(etag, size) else {
            return true
        }
        content = [UInt8](repeating: 0, count: Int(size))
        try content.withUnsafeMutableBytes { try pack.read(record, into: $0, at: 0) }
        return try content.withUnsafeBytes { bytes in
            var digest = ContentDigest(.etag(etag, size: size, parts: recorded, isCertain: false))
            digest.update(bytes)
            switch try digest.verdict(again: { body in body(bytes) }) {
            case .checked, .opaque: return true
            case .undecided, .wrong: return false
            }
        }
    }

    /// Compares the directory with what the catalogue says.
    private func compare(_ pack: PackFile, _ target: PackTarget, _ report: inout PackReport) throws {
        guard let sum = target.sum, try pack.entrySum() != sum else { return }
        // Which of the two is wrong?
        if try pack.isWhole(target.name) {
            report.trouble = report.trouble ?? (.damaged, "has other contents than the catalogue says")
            if report.remedy == .none { report.remedy = .catalogue }
        } else {
            report.trouble = report.trouble ?? (.damaged, "is another pack than its name says")
            report.remedy = .rewriting
        }
    }

    // MARK: - Without a directory

    /// Finds the sound records of a pack whose directory is damaged. What else the catalogue says that it has, is hit.
    private func scan(_ path: String, _ target: PackTarget, _ report: inout PackReport) throws {
        report.hasDirectory = false
        var expected: [PackEntry] = []
        if let catalogue, let number = target.number {
            expected = try catalogue.entries(ofPack: number).sorted { $0.place < $1.place }
            report.isAccounted = true
        }
        var found: [UInt32: PackKey] = [:]
        do {
            try PackScan(path: path, records: expected.map(\.place)).run { stretch in
                guard case .record(let record) = stretch, let key = PackKey(record.name) else { return }
                if found.isEmpty { report.firstRecord = record.place }
                found[record.place] = key
                checked()
                try read(Int(record.end - Int64(record.place)))
            }
        } catch let error as IcecoreError {
            if error.code == .interrupted { throw error }
            // Nothing more of it can be found.
            if error.errno != 0 { _ = try BlobCheck.condition(error.errno, path) }
        }
        let pack = try? PackFile(forRecordsOf: path)
        report.hits = expected.filter { found[$0.place] != $0.key }.map { entry in
            PackHit(place: entry.place, key: entry.key, name: pack?.name(ofRecordAt: entry.place, entry.key))
        }
    }
}
