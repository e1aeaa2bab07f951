import Basics
import Download
import Glibc
import Index
import Model
import Store

/// One walk over the tree: which file may hold which content, what reading it has given, and what becomes of it. All of it
/// is on one thread; others read files, and another one commits blobs.
final class AdoptSession {
    let store: Store
    let options: AdoptOptions
    let reporter: AdoptReporter
    let wanted: WantedContents
    let contents: IndexedContents
    let examiner: Examiner
    var outcome = AdoptOutcome()
    /// Nil in a dry run.
    var intake: BlobIntake?
    private var places: IndexPlaces
    private let pool: WorkPool
    private let done = Channel<ExaminerBatch>(limit: .max)
    /// A directory that stands for an empty object, and that one's content: all of them have the same.
    private var marker: (SourceDirectory, IndexedContent)?
    private var batch: [Candidate] = []
    private var batchBytes: Int64 = 0
    private var outstanding = 0

    // What makes a batch: files, and their bytes.
    private static let mostFiles = 64
    private static let mostBytes: Int64 = 4 << 20
    /// How many directories a batch may keep open.
    private let mostDirectories: Int
    private var batchDirectories = 0

    init(
        _ store: Store, _ options: AdoptOptions, _ reader: IndexReader, _ wanted: WantedContents,
        _ reporter: AdoptReporter
    ) throws {
        self.store = store
        self.options = options
        self.wanted = wanted
        self.reporter = reporter
        contents = try IndexedContents(store, reader)
        examiner = Examiner(temporary: store.temporaryPath)
        places = IndexPlaces(reader, prefix: options.prefix)
        pool = try WorkPool {}
        mostDirectories = max(1, min(AdoptSession.mostFiles, limitOfOpenFiles() / 4 / (2 * pool.width + 2)))
        intake = options.isDryRun ? nil : try BlobIntake(store, removes: options.link == .move)
        outcome.wanted = wanted.count
        outcome.unverifiable = wanted.unverifiable
        outcome.stillWantedBytes = wanted.bytes
    }

    func run(_ tree: SourceTree) throws {
        defer { pool.stop() }
        do {
            while let item = tree.next() {
                try Interruption.check()
                try take(item)
            }
            try submit()
            while outstanding > 0 { try receive() }
            try takeMarker()
            try intake?.finish(&outcome)
        } catch {
            examiner.stop()
            while outstanding > 0, let batch = done.receive() {
                outstanding -= 1
                for examined in batch.results { discard(examined) }
            }
            // What is complete stays.
            try? intake?.finish(&outcome)
            throw error
        }
        outcome.stillWanted = outcome.wanted - outcome.adopted
        outcome.stillWantedBytes -= outcome.adoptedBytes
    }

    // MARK: - The walk

    private func take(_ item: SourceTree.TreeItem) throws {
        switch item {
        case .directory(let directory):
            try places.enter(directory)
            try noteMarker(directory)
        case .file(let name, let directory, let state): try look(name, directory, state)
        case .other(let name, let directory, let what):
            outcome.files += 1
            report(.foreign, directory.path + name, what)
        case .unreadable(let path, let reason):
            outcome.files += 1
            report(.unreadable, path, reason)
        }
    }

    /// Looks whether a directory stands for an object: one whose key ends with `/` has no file in a mirror.
    private func noteMarker(_ directory: SourceDirectory) throws {
        guard marker == nil, let place = places.place(of: directory), place.beginning.isEmpty, !place.prefix.isEmpty
        else { return }
        guard let content = try known([], place).first(where: { $0.name == .etag(.empty, size: 0) }),
            !content.isPruned
        else { return }
        marker = (directory, content)
    }

    /// An empty object that a directory stands for needs nothing else, unless a file has been taken for it.
    private func takeMarker() throws {
        guard let (directory, content) = marker, try !isHere(content) else { return }
        let path = examiner.temporaryPath()
        if intake != nil { try File(path, O_WRONLY | O_CREAT | O_EXCL, mode: 0o444).close() }
        try accept(
            Candidate(
                directory: directory, name: [], state: FileState(stat()), digests: [], keeping: .copy), content,
            .etag(.empty, size: 0), nil, .file(path, isClone: false))
    }

    private func known(_ name: [UInt8], _ place: IndexPlaces.IndexPlace) throws -> [IndexedContent] {
        guard let directory = place.directory else { return [] }
        return try contents.contents(place.beginning + name, in: directory, prefix: place.prefix)
    }

    /// The contents that a file may have by its path.
    private func contents(under name: [UInt8], _ place: IndexPlaces.IndexPlace, _ size: Int64) throws
        -> [IndexedContent]
    {
        let known = try known(name, place)
        if !known.isEmpty { return known }
        for (key, etag) in BackupName.readings(name) {
            let version = try self.known(key, place).filter { ETag.given($0.etag.description) == etag.description }
            if !version.isEmpty { return version }
        }
        // A file of another store.
        guard let blob = BlobName(String(decoding: name, as: UTF8.self)), blob.size == size else { return [] }
        if let etag = try wanted.find(blob) {
            return [
                IndexedContent(
                    etag: etag, size: size, name: blob, parts: nil, isCalledPresent: false, isPruned: false)
            ]
        }
        guard try store.blobs.find(blob) != nil else { return [] }
        return [
            IndexedContent(
                etag: ETag(name), size: size, name: blob, parts: nil, isCalledPresent: true, isPruned: false)
        ]
    }

    private func look(_ name: [UInt8], _ directory: SourceDirectory, _ state: FileState) throws {
        guard let place = places.place(of: directory) else { return }
        let known = try contents(under: name, place, state.size)
        if known.isEmpty, BackupName.isOwn(name) { return }
        outcome.files += 1
        var candidate = Candidate(directory: directory, name: name, state: state, digests: [], keeping: keeping)
        for content in known {
            let isHere = try isHere(content)
            if !isHere, !content.isPruned { candidate.isUnderWantedKey = true }
            guard content.size == state.size else { continue }
            if isHere {
                candidate.there.append(content)
            } else if content.name == nil {
                candidate.isUnverifiable = true
            } else if !content.isPruned {
                candidate.lacking.append(content)
            }
        }
        // What the store has is not read again.
        if candidate.lacking.isEmpty, let content = candidate.there.first {
            return try noteAlreadyThere(candidate, content)
        }
        candidate.digests = try digests(candidate)
        if candidate.digests.isEmpty { return settleUnfit(candidate, []) }
        try enqueue(candidate)
    }

    /// The digests that a file may have, the likeliest first: those of its key's contents, then those of any wanted content
    /// of its size.
    private func digests(_ candidate: Candidate) throws -> [CandidateDigest] {
        let size = candidate.state.size
        var digests: [CandidateDigest] = []
        func add(_ digest: CandidateDigest) {
            if !digests.contains(digest) { digests.append(digest) }
        }
        func addLayouts(_ parts: UInt32) {
            for part in PartSizes.candidates(size: size, count: Int64(parts)) { add(.parts(.even(part))) }
        }
        for content in candidate.lacking {
            switch content.name {
            case .etag(let etag, _) where etag.parts == 0: add(.md5)
            case .etag(let etag, _):
                if let parts = content.parts { add(.parts(parts)) }
                if let parts = try wanted.hint(etag, size) { add(.parts(parts)) }
                addLayouts(etag.parts)
            case .sha256: add(.sha256)
            case nil: break
            }
        }
        let others = try wanted.digests(ofSize: size)
        for parts in others.parts {
            if parts == 0 { add(.md5) } else { addLayouts(parts) }
        }
        if others.hasSHA256 { add(.sha256) }
        return digests
    }

    private var keeping: Candidate.Keeping {
        if options.isDryRun { return .nothing }
        switch options.link {
        case .hard, .move: return .nothing
        case .reflink: return .clone
        case .copy: return .copy
        }
    }

    // MARK: - Reading

    func enqueue(_ candidate: Candidate) throws {
        if batch.last?.directory !== candidate.directory { batchDirectories += 1 }
        batch.append(candidate)
        batchBytes += candidate.state.size
        if batch.count >= AdoptSession.mostFiles || batchDirectories >= mostDirectories
            || batchBytes >= AdoptSession.mostBytes
        {
            try submit()
        }
    }

    private func submit() throws {
        if batch.isEmpty { return }
        pool.submit(ExaminerBatch(batch, examiner, done: done))
        outstanding += 1
        batch = []
        (batchBytes, batchDirectories) = (0, 0)
        while outstanding > 2 * pool.width { try receive() }
    }

    /// Waits for a batch.
    private func receive() throws {
        var next: ExaminerBatch?
        while next == nil {
            next = done.receive(until: MonotonicClock.milliseconds() + 200)
            outcome.bytesRead = examiner.bytesRead
            reporter.progress(.reading(outcome))
        }
        guard let read = next else { return }
        outstanding -= 1
        var results = read.results[...]
        do {
            while let examined = results.popFirst() { try settle(examined) }
        } catch {
            for examined in results { discard(examined) }
            throw error
        }
        try intake?.waitForRoom()
        // A second look at a file begins at once, so that it ends before the walk does.
        if outstanding == 0 { try submit() }
    }

    func discard(_ examined: Examined) {
        if case .names(_, let kept) = examined.result { kept.discard() }
    }

    func report(_ finding: AdoptFinding, _ path: [UInt8], _ reason: String) {
        switch finding {
        case .wrong: outcome.wrong += 1
        case .unreadable: outcome.unreadable += 1
        case .foreign: outcome.foreign += 1
        }
        reporter.finding(finding, path, reason)
    }
}

extension Examined.KeptBytes {
    /// Lets go of the bytes.
    func discard() {
        switch self {
        case .nothing: break
        case .memory(let content, _): content.release()
        case .file(let path, _): unlink(path)
        }
    }
}
