import Basics
import Blobs
import Glibc
import S3

/// The download of a range of a large content to its place in the file.
final class ChunkTransfer: Transfer {
    let source: SourceObject
    private let partial: PartialBlob
    let range: Range<Int64>
    private let isWhole: Bool
    /// Where the next bytes go, and up to where the bytes have been noted.
    private var position: Int64
    private var noted: Int64
    /// An error from between two attempts.
    private var trouble: (any Error)?
    private var begun: ((S3ResponseHead) -> Void)?
    private var done: ((ChunkTransfer, Result<Void, any Error>) throws -> Void)?

    /// The most bytes that a kill costs.
    private static let grain: Int64 = 512 << 10

    /// - Parameters:
    ///   - isWhole: the range is the whole content, and is requested without a range: not every server supports ranges.
    ///   - begun: called with each answer that is about the right object.
    ///   - done: called once, at the end, when what has arrived is noted.
    init(
        _ source: SourceObject, _ partial: PartialBlob, _ range: Range<Int64>, isWhole: Bool = false,
        begun: @escaping (S3ResponseHead) -> Void,
        done: @escaping (ChunkTransfer, Result<Void, any Error>) throws -> Void
    ) {
        self.source = source
        self.partial = partial
        self.range = range
        self.begun = begun
        self.done = done
        position = range.lowerBound
        noted = range.lowerBound
        self.isWhole = isWhole
        var request = source.request(range: isWhole ? nil : range)
        request.expectedLength = Int64(range.count)
        super.init(request)
    }

    override func begin(_ head: S3ResponseHead) throws {
        if let trouble { throw trouble }
        if position == range.upperBound { throw IsThere() }
        try source.check(head)
        if !source.isPacked, let total = head.contentRange?.total, total != partial.size {
            throw S3Failure.corrupt(
                "the object has \(total.of("byte")) instead of the \(partial.size) in the inventory")
        }
        begun?(head)
    }

    override func body(_ bytes: UnsafeRawBufferPointer) throws {
        guard Int64(bytes.count) <= range.upperBound - position else {
            throw S3Failure.corrupt("more bytes than requested")
        }
        try partial.write(bytes, at: position)
        position += Int64(bytes.count)
        if position - noted >= ChunkTransfer.grain { try note() }
    }

    override func complete() throws {
        guard position == range.upperBound else { throw S3Failure.corrupt("fewer bytes than requested") }
        try note()
    }

    /// Keeps what has arrived; the next attempt asks for the rest.
    override func restart() {
        do {
            try note()
        } catch {
            trouble = error
        }
        if position < range.upperBound {
            if isWhole {
                position = range.lowerBound
                noted = position
            } else {
                let rest = position..<range.upperBound
                ask(for: source.rangeInObject(rest) ?? rest)
            }
        }
    }

    override func finished(_ result: Result<Void, any Error>) throws {
        let done = done.take()
        begun = nil
        var result = result
        if trouble == nil {
            do {
                try note()
            } catch {
                // A full disk is this content's affair: others may be read without being kept.
                result = .failure(error)
            }
        }
        if case .failure(let error) = result, error is IsThere {
            try done?(self, .success(()))
        } else {
            try done?(self, result)
        }
    }

    /// The failed attempt had brought every byte: there is nothing left to ask for.
    private struct IsThere: Error {}

    private func note() throws {
        try partial.note(noted..<position)
        noted = position
    }
}
