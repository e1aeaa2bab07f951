import Basics
import Glibc
import Model
import Store

/// What becomes of a file that was read.
extension AdoptSession {
    func settle(_ examined: Examined) throws {
        let candidate = examined.candidate
        switch examined.result {
        case .stopped: try Interruption.check()
        case .failed(let error): throw error
        case .unreadable(let reason): report(.unreadable, candidate.path, reason)
        case .names(let names, let kept):
            if let expected = candidate.expected {
                guard let found = names.last, found.name == expected.name else {
                    kept.discard()
                    return report(.unreadable, candidate.path, "was changed while it was read")
                }
                return try accept(candidate, expected.content, found.name, found.layout, kept)
            }
            for (name, layout) in names {
                if let content = try content(name, candidate) {
                    return try accept(candidate, content, name, layout, kept)
                }
            }
            kept.discard()
            settleUnfit(candidate, names.map(\.name))
        }
    }

    /// The wanted content of a name.
    private func content(_ name: BlobName, _ candidate: Candidate) throws -> IndexedContent? {
        if let content = candidate.lacking.first(where: { $0.name == name }) { return content }
        guard let etag = try wanted.find(name) else { return nil }
        return IndexedContent(
            etag: etag, size: name.size, name: name, parts: nil, isCalledPresent: false, isPruned: false)
    }

    /// What is said of a file that is no wanted content.
    ///
    /// - Parameter names: what its bytes could be called.
    func settleUnfit(_ candidate: Candidate, _ names: [BlobName]) {
        // It has another content of its key, which the store has.
        if candidate.there.contains(where: { content in content.name.map { names.contains($0) } ?? false }) {
            outcome.alreadyThere += 1
            return
        }
        guard candidate.isUnderWantedKey else { return report(.foreign, candidate.path, "fits no wanted content") }
        let reason: String
        if !candidate.lacking.isEmpty {
            let isParted = candidate.lacking.contains { content in
                if case .etag(let etag, _) = content.name { etag.parts > 0 } else { false }
            }
            reason =
                isParted
                ? "has other bytes than the object, or was uploaded in parts of an unusual size"
                : "has other bytes than the object"
        } else if candidate.isUnverifiable {
            reason = "cannot be checked: the object's ETag is no digest of its bytes, and its SHA-256 is not known"
        } else {
            reason = "has \(candidate.state.size.of("byte")), which no wanted version of its key has"
        }
        report(.wrong, candidate.path, reason)
    }

    /// Whether the store has a content, or will have it in a moment.
    func isHere(_ content: IndexedContent) throws -> Bool {
        let key = ContentKey(etag: content.etag, size: content.size)
        if let intake, intake.isPending(key) { return true }
        if options.isDryRun, try wanted.isTaken(content.etag, content.size) { return true }
        return try contents.isThere(content)
    }

    /// A file whose content the store has stays where it is, unless it is the blob itself: an adoption was killed before it
    /// could finish the move.
    func noteAlreadyThere(_ candidate: Candidate, _ content: IndexedContent) throws {
        outcome.alreadyThere += 1
        guard options.link == .move, let intake, let name = content.name else { return }
        var status = stat()
        guard lstat(store.blobs.path(ofName: name.file), &status) == 0,
            candidate.state.isSameFile(FileState(status))
        else { return }
        try intake.remove(candidate, name, &outcome)
    }

    /// Takes a content.
    func accept(
        _ candidate: Candidate, _ content: IndexedContent, _ name: BlobName, _ layout: PartLayout?,
        _ kept: Examined.KeptBytes
    ) throws {
        var content = content
        content.name = name
        if try isHere(content) {
            kept.discard()
            return try noteAlreadyThere(candidate, content)
        }
        guard let intake else { return try note(content, name) }
        let blob: IntakeContent
        switch kept {
        case .memory(let held, let temporary):
            blob = IntakeContent(content, layout, temporary: temporary, .memory(held))
        case .file(let path, let isClone):
            if isClone { outcome.cloned += 1 }
            blob = IntakeContent(content, layout, temporary: path, .file, isShared: isClone)
        case .nothing:
            let path = examiner.temporaryPath()
            let isLink = options.link == .hard || options.link == .move
            if isLink, candidate.expected == nil, link(candidate, path) {
                if options.link == .hard { outcome.linked += 1 }
                blob = IntakeContent(content, layout, temporary: path, .file, isShared: true)
            } else {
                // Its bytes are kept in a second look.
                var again = candidate
                again.expected = (content, name)
                again.digests = [layout.map { .parts($0) } ?? (name.isSHA256 ? .sha256 : .md5)]
                again.keeping = options.link == .copy ? .copy : .clone
                return try enqueue(again)
            }
        }
        if options.link == .move, !candidate.name.isEmpty { try intake.remove(candidate, name, &outcome) }
        intake.add(blob)
        try note(content, name)
    }

    private func note(_ content: IndexedContent, _ name: BlobName) throws {
        outcome.adopted += 1
        outcome.adoptedBytes = outcome.adoptedBytes.addingClamped(content.size)
        // A blob that has vanished is missed only now.
        if try !wanted.take(name, content.etag, isNoted: options.isDryRun) {
            outcome.wanted += 1
            outcome.stillWantedBytes = outcome.stillWantedBytes.addingClamped(content.size)
        }
    }

    /// Makes a file that was read and hashed a temporary file of the store as well: read-only, as a blob is. False where
    /// that cannot be done, or is not safe.
    private func link(_ candidate: Candidate, _ path: String) -> Bool {
        // A file that is to leave its tree, and has other names, could be written to by those.
        if options.link == .move, candidate.state.links > 1 { return false }
        let code = SourceDirectory.withName(candidate.name) {
            linkat(candidate.directory.descriptor, $0, AT_FDCWD, path, 0)
        }
        guard code == 0 else { return false }
        var status = stat()
        guard lstat(path, &status) == 0, candidate.state.isUnchanged(FileState(status)),
            protect(path, status)
        else {
            unlink(path)
            return false
        }
        return true
    }

    /// Makes a file read-only. False if it cannot be done: another user's file could be changed at any time.
    private func protect(_ path: String, _ status: stat) -> Bool {
        if options.link == .move, status.st_uid != geteuid(), lchown(path, geteuid(), getegid()) != 0 { return false }
        let mode = status.st_mode & 0o7777 & ~0o222
        return mode == status.st_mode & 0o7777 || chmod(path, mode) == 0
    }
}

extension BlobName {
    fileprivate var isSHA256: Bool {
        if case .sha256 = self { true } else { false }
    }
}
