import Basics
import Model
import Packs
import S3
import Store

/// Fetches contents that are in packs of a replica. What lies behind one comes with it, the more of it the longer somebody
/// reads on: files of a directory are read in the order of its keys, which is that of the pack. Several may be read in turn,
/// and the files of one may lie in several packs.
///
/// Whatever comes is checked, and kept in packs of the cache that have holes. Belongs to the fetcher's thread.
final class PackWindows {
    private final class Window {
        let pack: PackName
        let range: Range<Int64>
        /// Those who wait, each for a content in the range.
        var readers: [(want: FetchRequest, place: PackedOrigin, others: [PackedOrigin], reader: any ContentReader)] = []
        var isInFlight = false

        init(_ pack: PackName, _ range: Range<Int64>) {
            (self.pack, self.range) = (pack, range)
        }
    }

    private let store: Store
    private let location: S3Location
    private let facts: @Sendable (FetchRequest) throws -> (sha256: [UInt8]?, parts: PartLayout?)
    private let packs: @Sendable (FetchRequest, BlobName) throws -> [PackedOrigin]
    private let restore: () throws -> Void
    private let log: @Sendable (String) -> Void
    private var windows: [Window] = []
    /// Where those who read in order have come to, each in one pack; who has read last comes last.
    private var streams: [(pack: PackName, end: Int64, length: Int64)] = []
    private var hasComplained = false

    /// Larger contents are fetched on their own, in pieces.
    private static let largest: Int64 = 4 << 20
    private static let shortest: Int64 = 64 << 10
    private static let longest: Int64 = 1 << 20
    private static let mostStreams = 64
    private static let mostInFlight = 16

    /// Nil if the origin has no packs.
    init?(
        _ store: Store, _ origin: ContentOrigin, restore: @escaping () throws -> Void,
        log: @escaping @Sendable (String) -> Void
    ) {
        guard case .replica(let location, let facts, let packs?) = origin else { return nil }
        self.store = store
        (self.location, self.facts, self.packs, self.restore, self.log) = (location, facts, packs, restore, log)
    }

    /// Takes a read over, if its content is in a pack; false otherwise.
    func take(_ want: FetchRequest, _ reader: any ContentReader) throws -> Bool {
        guard want.size <= PackWindows.largest else { return false }
        // What the index and the catalogue say has to be there, even if somebody has removed the cache.
        if !Files.exists(store.temporaryPath) { try restore() }
        let sha256 = try facts(want).sha256
        let name = sha256.map { BlobName.sha256($0, size: want.size) } ?? .etag(want.contentETag, size: want.size)
        if want.contentETag.verbatim != nil, sha256 == nil { return false }
        let places = try packs(want, name)
        guard let place = places.first else { return false }
        // It may have come with another one meanwhile.
        if let packed = try store.packs.find(name) {
            answer(reader, packed)
            return true
        }
        wait(for: want, place, Array(places.dropFirst()), reader)
        return true
    }

    private func answer(_ reader: any ContentReader, _ packed: PackedBlob) {
        if reader.hasLeft { return reader.fail(IcecoreError(.interrupted, "interrupted")) }
        var bytes = [UInt8](repeating: 0, count: reader.range.count)
        do throws(IcecoreError) {
            try PackWindows.fill(&bytes, packed, at: reader.range.lowerBound)
        } catch {
            return reader.fail(error)
        }
        bytes.withUnsafeBytes { reader.answer($0) }
    }

    private static func fill(_ bytes: inout [UInt8], _ packed: PackedBlob, at offset: Int64) throws(IcecoreError) {
        let count = bytes.count
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
        defer { buffer.deallocate() }
        try packed.read(into: buffer, at: offset)
        bytes.withUnsafeMutableBytes { $0.copyMemory(from: UnsafeRawBufferPointer(buffer)) }
    }

    private func wait(
        for want: FetchRequest, _ place: PackedOrigin, _ others: [PackedOrigin], _ reader: any ContentReader,
        alone isAlone: Bool = false
    ) {
        guard let (pack, record) = place.record else {
            return reader.fail(IcecoreError(.system, "no content but a pack is asked for"))
        }
        let wanted = Int64(record.place)..<record.end
        let window: Window
        if !isAlone, let known = windows.first(where: { $0.pack == pack && $0.range.contains(wanted) }) {
            window = known
        } else {
            window = Window(pack, range(pack, wanted))
            windows.append(window)
        }
        window.readers.append((want, place, others, reader))
    }

    /// What to ask for: where somebody reads on, more than the last time.
    private func range(_ pack: PackName, _ wanted: Range<Int64>) -> Range<Int64> {
        var length = PackWindows.shortest
        // Of those who could have come here, the one who is nearest.
        let stream = streams.indices.filter { index in
            let stream = streams[index]
            return stream.pack == pack && wanted.upperBound > stream.end
                && wanted.lowerBound <= stream.end + stream.length
        }.max { streams[$0].end < streams[$1].end }
        if let stream { length = min(PackWindows.longest, 4 * streams.remove(at: stream).length) }
        let range = wanted.lowerBound..<max(wanted.upperBound, wanted.lowerBound + length)
        streams.append((pack, range.upperBound, length))
        if streams.count > PackWindows.mostStreams { streams.removeFirst() }
        return range
    }

    var isBusy: Bool { !windows.isEmpty }

    func failAll(_ error: IcecoreError) {
        for window in windows { for waiting in window.readers { waiting.reader.fail(error) } }
        windows = []
    }

    /// The next request, if there is one to be made now.
    func next() throws -> Transfer? {
        guard windows.count(where: \.isInFlight) < PackWindows.mostInFlight,
            let window = windows.first(where: { !$0.isInFlight })
        else { return nil }
        window.isInFlight = true
        guard let path = window.readers.first?.place.path else { return nil }
        let request = S3Request(
            .get, bucket: location.bucket, key: location.key + Array(path.utf8), range: window.range)
        return CollectingTransfer(
            request, limit: window.range.count,
            done: { [unowned self] result in
                windows.removeAll { $0 === window }
                switch result {
                case .success(let object): arrived(window, object)
                case .failure(let error): failed(window, error)
                }
            })
    }

    // MARK: - What comes

    private func arrived(_ window: Window, _ object: S3Object) {
        let fetched = FetchedRecords(object.bytes, from: UInt32(window.range.lowerBound))
        if let size = object.head.contentRange?.total { keep(fetched, window.pack, size) }
        for waiting in window.readers {
            guard let record = waiting.place.record?.record else { continue }
            guard fetched.records.contains(record) else {
                if Int64(record.place) != window.range.lowerBound {
                    // What is damaged may be before it.
                    wait(for: waiting.want, waiting.place, waiting.others, waiting.reader, alone: true)
                    continue
                }
                let error = IcecoreError(
                    .damaged,
                    "the pack \(window.pack) of the replica does not have the content that its catalogue names: 'icecore "
                        + "push --check' from a store that has it sends it again")
                tryOther(waiting, error)
                continue
            }
            let range = waiting.reader.range
            fetched.withContent(record) { content in
                if waiting.reader.hasLeft {
                    return waiting.reader.fail(IcecoreError(.interrupted, "interrupted"))
                }
                waiting.reader.answer(
                    UnsafeRawBufferPointer(rebasing: content[Int(range.lowerBound)..<Int(range.upperBound)]))
            }
        }
    }

    private func failed(_ window: Window, _ error: any Error) {
        let error = (error as? S3Failure)?.asError ?? error as? IcecoreError ?? IcecoreError(.system, "\(error)")
        for waiting in window.readers { tryOther(waiting, error) }
    }

    /// Another pack may have the content as well.
    private func tryOther(
        _ waiting: (want: FetchRequest, place: PackedOrigin, others: [PackedOrigin], reader: any ContentReader),
        _ error: IcecoreError
    ) {
        guard let other = waiting.others.first, !waiting.reader.hasLeft else { return waiting.reader.fail(error) }
        wait(for: waiting.want, other, Array(waiting.others.dropFirst()), waiting.reader)
    }

    /// Keeps what has come in the cache. Where that fails, it is asked for again.
    private func keep(_ fetched: FetchedRecords, _ pack: PackName, _ size: Int64) {
        do {
            try fetched.keep(in: store.packs.folder, pack, size: size, temporary: store.temporaryPath)
        } catch {
            if !hasComplained { log("what is read of packs is not kept: \(error)") }
            hasComplained = true
        }
    }
}

extension Range<Int64> {
    fileprivate func contains(_ other: Range<Int64>) -> Bool {
        lowerBound <= other.lowerBound && other.upperBound <= upperBound
    }
}
