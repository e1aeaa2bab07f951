import Basics
import Blobs

/// An answer: its head, and where its body comes from.
public struct WebResponse {
    public var status: Int
    /// Without `Content-Length`, which follows from the body. Characters that a head cannot hold are sent as spaces.
    public var headers: [(name: String, value: String)]
    public var body: WebBody

    public init(status: Int, headers: [(name: String, value: String)] = [], body: WebBody = .bytes([])) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// The body of an answer.
public enum WebBody {
    case bytes([UInt8])
    /// Bytes of an open content.
    case content(OpenBlob, Range<Int64>)
    /// Bytes that are made while they are sent: `length` of them in all (nil if nobody knows: sent in chunks). `next`
    /// may block as long as it likes: it is called on a thread that no other request waits for, and by one thread at a
    /// time. It returns nil at the end. The first call precedes the head: what it throws is answered (``WebFailure`` with
    /// its response); what a later one throws, or a body of another length, cuts the connection.
    case pieces(length: Int64?, next: () throws -> [UInt8]?)
    /// No body is sent, and `Content-Length` tells of this many: the answer to a HEAD.
    case head(length: Int64)

    /// In bytes; nil if nobody knows.
    public var length: Int64? {
        switch self {
        case .bytes(let bytes): Int64(bytes.count)
        case .content(_, let range): Int64(range.count)
        case .pieces(let length, _): length
        case .head(let length): length
        }
    }
}
