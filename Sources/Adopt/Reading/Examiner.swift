import Basics
import Download
import Glibc
import Model
import Synchronization

/// Reads candidates, on any thread: computes digests, and keeps the bytes that were read where that is asked. What is kept
/// is what was hashed, whatever happens to the file.
final class Examiner: Sendable {
    private let temporary: String
    private let memory = ContentMemory()
    private let counter = Atomic<Int>(0)
    private let stops = Atomic<Bool>(false)
    private let read = Atomic<Int64>(0)
    /// Devices whose files cannot be cloned into the store.
    private let cloneless = Mutex<Set<UInt>>([])

    /// Clones of contents that fit into one block save nothing.
    private static let smallestClone: Int64 = 4096
    private static let piece = 256 << 10

    /// - Parameter temporary: the store's `tmp/`.
    init(temporary: String) {
        self.temporary = temporary
    }

    /// Has all reading end soon, without results.
    func stop() {
        stops.store(true, ordering: .relaxed)
    }

    private var isStopping: Bool { stops.load(ordering: .relaxed) || Interruption.isRequested }

    /// Bytes read so far, of files that are not finished as well.
    var bytesRead: Int64 { read.load(ordering: .relaxed) }

    /// A path for a temporary file that nobody else uses; a starting command removes what is left under such names.
    func temporaryPath() -> String {
        "\(temporary)/adopt-\(getpid())-\(counter.add(1, ordering: .relaxed).newValue)"
    }

    /// A file of the tree that cannot be read, or not as one file.
    private enum ReadTrouble: Error {
        case changed, stopped
        case system(Int32)
    }

    /// Reads a candidate.
    func examine(_ candidate: Candidate, _ buffer: UnsafeMutableRawBufferPointer) -> Examined {
        var examined = Examined(candidate: candidate, result: .stopped)
        if isStopping { return examined }
        do {
            let file = candidate.directory.open(candidate.name)
            guard file >= 0 else { throw ReadTrouble.system(errno) }
            defer { close(file) }
            var status = stat()
            guard fstat(file, &status) == 0 else { throw ReadTrouble.system(errno) }
            // Whoever replaces it meanwhile has changed it.
            guard status.st_mode & S_IFMT == S_IFREG, candidate.state.isUnchanged(FileState(status)) else {
                throw ReadTrouble.changed
            }
            let (names, kept) = try read(file, candidate, buffer)
            if case .nothing = kept {
                // Without a copy, the file itself has to have stayed as it was.
                guard fstat(file, &status) == 0, candidate.state.isUnchanged(FileState(status)) else {
                    throw ReadTrouble.changed
                }
            }
            examined.result = .names(names, kept)
        } catch ReadTrouble.changed {
            examined.result = .unreadable("was changed while it was read")
        } catch ReadTrouble.stopped {
            examined.result = .stopped
        } catch ReadTrouble.system(let number) where [EMFILE, ENFILE, ENOMEM].contains(number) {
            // That is this process's trouble, not the file's.
            let path = String(decoding: candidate.path, as: UTF8.self)
            examined.result = .failed(IcecoreError.system("cannot read", path, errno: number))
        } catch ReadTrouble.system(let number) {
            examined.result = .unreadable("cannot be read: \(String(cString: strerror(number)))")
        } catch {
            examined.result = .failed(error)
        }
        return examined
    }

    // MARK: - Reading

    private typealias Names = [(name: BlobName, layout: PartLayout?)]

    private func read(
        _ file: Int32, _ candidate: Candidate, _ buffer: UnsafeMutableRawBufferPointer
    ) throws -> (Names, Examined.KeptBytes) {
        let size = candidate.state.size
        if size > Examiner.piece { posix_fadvise(file, 0, 0, POSIX_FADV_SEQUENTIAL) }
        let isLikely = candidate.expected != nil || !candidate.lacking.isEmpty
        switch candidate.keeping {
        case .nothing: break
        case .clone where size > Examiner.smallestClone:
            guard isLikely, canClone(candidate.state) else { break }
            let path = temporaryPath()
            let clone = try File(path, O_RDWR | O_CREAT | O_EXCL, mode: 0o444)
            if File.clone(file, to: clone.descriptor) {
                return try keep(.file(path, isClone: true), path) {
                    // From here on, the clone is what is looked at.
                    guard try clone.size() == size else { throw ReadTrouble.changed }
                    return try names(candidate) { try pass(clone.descriptor, size, buffer, $0) }
                }
            }
            noteCloneless(candidate.state)
            try Files.remove(path)
        case .clone, .copy: break
        }
        if candidate.keeping != .nothing, let held = memory.hold(size) {
            try pass(file, size, buffer) { bytes in
                guard held.append(bytes) else { throw ReadTrouble.changed }
            }
            return (try names(candidate) { body in body(held.bytes) }, .memory(held, temporary: temporaryPath()))
        }
        guard candidate.keeping != .nothing, isLikely || size == 0 else {
            return (try names(candidate) { try pass(file, size, buffer, $0) }, .nothing)
        }
        return try copy(file, candidate, buffer)
    }

    /// Computes digests until one is likely.
    private func names(_ candidate: Candidate, _ reading: ContentDigest.Reading) throws -> Names {
        var names: Names = []
        for digest in candidate.digests {
            let name = try digest.name(size: candidate.state.size, reading)
            names.append((name, digest.layout))
            if candidate.isLikely(name) { break }
        }
        return names
    }

    /// Passes a file, from its first byte to its last.
    private func pass(
        _ file: Int32, _ size: Int64, _ buffer: UnsafeMutableRawBufferPointer,
        _ body: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        var offset: Int64 = 0
        while offset < size {
            if isStopping { throw ReadTrouble.stopped }
            let length = Int(min(Int64(buffer.count), size - offset))
            let got = pread(file, buffer.baseAddress, length, off_t(offset))
            if got < 0 {
                if errno == EINTR { continue }
                throw ReadTrouble.system(errno)
            }
            if got == 0 { throw ReadTrouble.changed }
            try body(UnsafeRawBufferPointer(rebasing: buffer[..<got]))
            offset += Int64(got)
            read.add(Int64(got), ordering: .relaxed)
        }
    }

    // MARK: - Keeping

    /// Copies a file while its first digest is computed.
    private func copy(
        _ file: Int32, _ candidate: Candidate, _ buffer: UnsafeMutableRawBufferPointer
    ) throws -> (Names, Examined.KeptBytes) {
        let size = candidate.state.size
        let path = temporaryPath()
        let copy = try File(path, O_RDWR | O_CREAT | O_EXCL, mode: 0o444)
        return try keep(.file(path, isClone: false), path) {
            var isCopied = false
            return try names(candidate) { body in
                if isCopied { return try pass(copy.descriptor, size, buffer, body) }
                var written: Int64 = 0
                try pass(file, size, buffer) { bytes in
                    body(bytes)
                    try copy.write(bytes)
                    written += Int64(bytes.count)
                    if written & (8 << 20 - 1) == 0 { copy.beginWriting(written - 8 << 20..<written) }
                }
                isCopied = true
            }
        }
    }

    /// What `body` found, with what was kept, which is removed after an error.
    private func keep(
        _ kept: Examined.KeptBytes, _ path: String, _ body: () throws -> Names
    ) throws -> (Names, Examined.KeptBytes) {
        do {
            return (try body(), kept)
        } catch {
            unlink(path)
            throw error
        }
    }

    private func canClone(_ state: FileState) -> Bool {
        cloneless.withLock { !$0.contains(state.device) }
    }

    private func noteCloneless(_ state: FileState) {
        cloneless.withLock { _ = $0.insert(state.device) }
    }
}

/// Some candidates, for one thread.
final class ExaminerBatch: Work, @unchecked Sendable {
    // A batch belongs to one thread at a time.
    private let examiner: Examiner
    private let done: Channel<ExaminerBatch>
    private let candidates: [Candidate]
    private(set) var results: [Examined] = []

    init(_ candidates: [Candidate], _ examiner: Examiner, done: Channel<ExaminerBatch>) {
        self.candidates = candidates
        self.examiner = examiner
        self.done = done
    }

    func perform(isStopping: () -> Bool) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 4096)
        defer { buffer.deallocate() }
        results.reserveCapacity(candidates.count)
        for candidate in candidates { results.append(examiner.examine(candidate, buffer)) }
        done.send(self)
    }
}
