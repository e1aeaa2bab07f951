import Basics
import CZlib
import Glibc

/// A list file while it is written: compressed, and its MD5 taken.
final class RangeFile {
    let name: String
    private let file: File
    private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    private var digest: MD5? = MD5()
    private var buffer = [UInt8](repeating: 0, count: 64 << 10)
    private var size: Int64 = 0
    private(set) var rows = 0

    init(_ name: String, in directory: String) throws {
        self.name = name
        file = try File("\(directory)/\(name)", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW)
        stream.initialize(to: z_stream())
        guard icecore_deflate_init_gzip(stream, 1) == Z_OK else {
            throw IcecoreError(.system, "zlib is out of memory")
        }
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
    }

    func write(_ lines: [UInt8], rows: Int) throws {
        self.rows += rows
        try lines.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
            // A key with very many versions has more than zlib can be told of at once.
            for start in stride(from: 0, to: bytes.count, by: 1 << 20) {
                stream.pointee.next_in = UnsafeMutablePointer(mutating: base + start)
                stream.pointee.avail_in = UInt32(min(1 << 20, bytes.count - start))
                while stream.pointee.avail_in > 0 { _ = try compress(Z_NO_FLUSH) }
            }
        }
    }

    /// Ends the file and makes it durable.
    func finish() throws -> (size: Int64, md5: [UInt8]) {
        stream.pointee.next_in = nil
        stream.pointee.avail_in = 0
        while try compress(Z_FINISH) != Z_STREAM_END {}
        try file.synchronize()
        return (size, digest.take()?.finalize() ?? [])
    }

    private func compress(_ flush: Int32) throws -> Int32 {
        try buffer.withUnsafeMutableBytes { output in
            stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
            stream.pointee.avail_out = UInt32(output.count)
            let status = deflate(stream, flush)
            guard status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR else {
                throw IcecoreError(.system, "zlib cannot compress")
            }
            let written = UnsafeRawBufferPointer(rebasing: output[..<(output.count - Int(stream.pointee.avail_out))])
            digest?.update(written)
            try file.write(written)
            size += Int64(written.count)
            return status
        }
    }
}
