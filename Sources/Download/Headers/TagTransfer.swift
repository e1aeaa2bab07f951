import Basics
import S3

/// Asks for the tags of an object.
final class TagTransfer: Transfer {
    private var bytes: [UInt8] = []
    private var tags: S3Tagging?
    private var done: ((Result<S3Tagging, any Error>) throws -> Void)?

    init(_ source: SourceObject, done: @escaping (Result<S3Tagging, any Error>) throws -> Void) {
        self.done = done
        let version = source.byKey ? nil : source.want.versionId.map { String(decoding: $0, as: UTF8.self) }
        super.init(.tagging(bucket: source.bucket, key: source.want.key, versionId: version))
    }

    override func body(_ bytes: UnsafeRawBufferPointer) throws {
        guard self.bytes.count + bytes.count <= S3Tagging.answerLimit else {
            throw S3Failure.corrupt("the answer is longer than a list of tags can be")
        }
        self.bytes.append(contentsOf: bytes)
    }

    override func complete() throws {
        do {
            tags = try S3Tagging(xml: bytes)
        } catch {
            throw S3Failure.corrupt(error.message)
        }
    }

    override func restart() {
        bytes.removeAll()
    }

    override func finished(_ result: Result<Void, any Error>) throws {
        let done = done.take()
        try done?(result.map { tags ?? S3Tagging() })
    }
}
