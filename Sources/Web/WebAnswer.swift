import Basics
import Blobs
import NIOCore
import Synchronization

/// What a thread of the pool has made of a request: bytes to be sent at once, and what follows them.
struct WebAnswer: @unchecked Sendable {
    // Handed from thread to thread, which have it one after the other.

    /// What follows the first bytes.
    enum Rest {
        case none
        case content(OpenBlob, Range<Int64>)
        /// - left: the bytes still to come; nil if nobody knows.
        case pieces(left: Int64?, isChunked: Bool, next: () throws -> [UInt8]?)
    }

    var status: Int
    var first: ByteBuffer
    /// The bytes of the body in `first`.
    var firstBody: Int64
    var rest: Rest
    var closes: Bool
}

/// Makes answers of responses.
struct AnswerMaker {
    /// What is sent in one write with the head, and the largest piece of what is longer.
    static let oneWrite: Int64 = 256 << 10
    static let largestPiece: Int64 = 512 << 10
    static let smallPiece: Int64 = 64 << 10

    /// Bytes of pieces that are in memory, of all servers of the process.
    static let underWay = Atomic<Int64>(0)
    private static let muchUnderWay: Int64 = 64 << 20

    /// How many bytes the next piece may have: many slow clients must not fill the memory.
    static func piece(_ left: Int64) -> Int64 {
        min(left, underWay.load(ordering: .relaxed) > muchUnderWay ? smallPiece : largestPiece)
    }

    let incoming: WebIncoming
    let head: HeadWriter

    /// - Throws: what reading the first bytes throws; nothing is sent then.
    func answer(_ response: WebResponse) throws -> WebAnswer {
        let hasBody = incoming.request.method != "HEAD" && response.status != 304 && response.status != 204
        if !hasBody { return begin(response, length: response.body.length, capacity: 0) }
        switch response.body {
        case .head(let length):
            // A body was promised that nobody has: the head is all that can be said.
            var answer = begin(response, length: length, capacity: 0)
            answer.closes = true
            return answer
        case .bytes(let bytes):
            var answer = begin(response, length: Int64(bytes.count), capacity: bytes.count)
            answer.first.writeBytes(bytes)
            answer.firstBody = Int64(bytes.count)
            return answer
        case .content(let blob, let range):
            let count = min(Int64(range.count), Self.oneWrite)
            var answer = begin(response, length: Int64(range.count), capacity: Int(count))
            try Self.append(blob, range.lowerBound..<range.lowerBound + count, to: &answer.first)
            answer.firstBody = count
            if count < Int64(range.count) {
                answer.rest = .content(blob, range.lowerBound + count..<range.upperBound)
            }
            return answer
        case .pieces(let length, let next):
            return try answer(response, length, next)
        }
    }

    private func answer(
        _ response: WebResponse, _ length: Int64?, _ next: @escaping () throws -> [UInt8]?
    ) throws -> WebAnswer {
        let made = try next()
        let piece = made ?? []
        let isChunked = length == nil && incoming.knowsChunks
        var answer = begin(response, length: length, isChunked: isChunked, capacity: piece.count + 16)
        // Without chunks, the end of the connection is the end of the body.
        if length == nil, !isChunked { answer.closes = true }
        if let length, Int64(piece.count) > length {
            throw IcecoreError(.damaged, "a body is longer than it should be")
        }
        Self.append(piece, isChunked: isChunked, to: &answer.first)
        answer.firstBody = Int64(piece.count)
        if made == nil, length == nil {
            if isChunked { answer.first.writeStaticString("0\r\n\r\n") }
        } else if length != Int64(piece.count) {
            answer.rest = .pieces(left: length.map { $0 - Int64(piece.count) }, isChunked: isChunked, next: next)
        }
        return answer
    }

    private func begin(
        _ response: WebResponse, length: Int64?, isChunked: Bool = false, capacity: Int
    ) -> WebAnswer {
        let closes = incoming.closes || (length == nil && !isChunked && incoming.request.method != "HEAD")
        var buffer = ByteBufferAllocator().buffer(capacity: capacity + 1024)
        head.write(response, length: length, isChunked: isChunked, closes: closes, to: &buffer)
        return WebAnswer(status: response.status, first: buffer, firstBody: 0, rest: .none, closes: closes)
    }

    static func append(_ blob: OpenBlob, _ range: Range<Int64>, to buffer: inout ByteBuffer) throws {
        if range.isEmpty { return }
        try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: range.count) { space in
            guard space.count >= range.count else { throw IcecoreError(.system, "there is no memory for a piece") }
            try blob.read(into: UnsafeMutableRawBufferPointer(rebasing: space[..<range.count]), at: range.lowerBound)
            return range.count
        }
    }

    static func append(_ piece: [UInt8], isChunked: Bool, to buffer: inout ByteBuffer) {
        // An empty chunk would end the body.
        if piece.isEmpty { return }
        if isChunked { buffer.writeString(String(piece.count, radix: 16) + "\r\n") }
        buffer.writeBytes(piece)
        if isChunked { buffer.writeStaticString("\r\n") }
    }
}

/// A request on its way through the server.
struct WebIncoming: Sendable {
    var request: WebRequest
    /// The connection ends with the answer.
    var closes: Bool
    /// HTTP/1.1.
    var knowsChunks: Bool
    /// When its head had arrived, in nanoseconds of a monotonic clock.
    var arrived: UInt64
}
