import Basics
import CZlib
import Glibc

/// Writes one gzip file, and knows its size and MD5 at the end.
final class GzipWriter {
    private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    private var file: File?
    private var md5 = MD5()
    private var size: Int64 = 0
    private var buffer = [UInt8](repeating: 0, count: 1 << 18)

    init(_ path: String, level: Int32) throws {
        stream.initialize(to: z_stream())
        icecore_deflate_init_gzip(stream, level)
        file = try File(path, O_WRONLY | O_CREAT | O_TRUNC)
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
    }

    func write(_ bytes: [UInt8]) throws {
        try deflate(bytes, Z_NO_FLUSH)
    }

    /// Ends the file; returns its size in bytes and its MD5 in hexadecimal digits.
    func finish() throws -> (size: Int64, md5: String) {
        try deflate([], Z_FINISH)
        if let open = file.take() { try open.close() }
        var whole = MD5()
        swap(&whole, &md5)
        return (size, Hex.encode(whole.finalize()))
    }

    private func deflate(_ bytes: [UInt8], _ flush: Int32) throws {
        var bytes = bytes
        try bytes.withUnsafeMutableBufferPointer { input in
            stream.pointee.next_in = input.baseAddress
            stream.pointee.avail_in = UInt32(input.count)
            var status = Z_OK
            repeat {
                let count = buffer.withUnsafeMutableBufferPointer { output in
                    stream.pointee.next_out = output.baseAddress
                    stream.pointee.avail_out = UInt32(output.count)
                    status = CZlib.deflate(stream, flush)
                    return output.count - Int(stream.pointee.avail_out)
                }
                try buffer.withUnsafeBytes { output in
                    let written = UnsafeRawBufferPointer(rebasing: output[..<count])
                    md5.update(written)
                    try file?.write(written)
                }
                size += Int64(count)
            } while stream.pointee.avail_in > 0 || stream.pointee.avail_out == 0
                || (flush == Z_FINISH && status != Z_STREAM_END)
        }
    }
}
