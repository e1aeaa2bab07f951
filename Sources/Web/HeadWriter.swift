import Basics
import NIOCore

/// Writes the heads of answers. One thread at a time.
final class HeadWriter {
    private var second: Int64 = -1
    private var date = ""

    /// Appends the head of an answer.
    ///
    /// - Parameters:
    ///   - length: of the body; nil: in chunks, or to the end of the connection.
    ///   - isChunked: the body comes in chunks.
    ///   - closes: the connection ends with it.
    func write(
        _ response: WebResponse, length: Int64?, isChunked: Bool, closes: Bool, to buffer: inout ByteBuffer
    ) {
        buffer.writeStaticString("HTTP/1.1 ")
        buffer.writeString(String(response.status))
        buffer.writeStaticString(" ")
        buffer.writeString(Self.reason(response.status))
        buffer.writeStaticString("\r\nServer: icecore\r\nDate: ")
        buffer.writeString(now())
        buffer.writeStaticString("\r\n")
        for (name, value) in response.headers {
            buffer.writeString(name)
            buffer.writeStaticString(": ")
            Self.write(value, to: &buffer)
            buffer.writeStaticString("\r\n")
        }
        // These have no body, and the length of none would be a lie about the resource.
        if response.status != 304, response.status != 204 {
            if let length {
                buffer.writeStaticString("Content-Length: ")
                buffer.writeString(String(length))
                buffer.writeStaticString("\r\n")
            } else if isChunked {
                buffer.writeStaticString("Transfer-Encoding: chunked\r\n")
            }
        }
        buffer.writeStaticString(closes ? "Connection: close\r\n\r\n" : "\r\n")
    }

    /// A value, with a space for what would end it: it may come from a stranger's object.
    private static func write(_ value: String, to buffer: inout ByteBuffer) {
        if value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }) {
            buffer.writeString(value)
        } else {
            buffer.writeBytes(value.utf8.map { $0 >= 0x20 && $0 != 0x7f ? $0 : 0x20 })
        }
    }

    private func now() -> String {
        let time = Timestamp.now()
        if time.milliseconds / 1000 != second {
            second = time.milliseconds / 1000
            date = time.http
        }
        return date
    }

    private static func reason(_ status: Int) -> String {
        switch status {
        case 200: "OK"
        case 204: "No Content"
        case 206: "Partial Content"
        case 301: "Moved Permanently"
        case 302: "Found"
        case 303: "See Other"
        case 304: "Not Modified"
        case 307: "Temporary Redirect"
        case 400: "Bad Request"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 409: "Conflict"
        case 412: "Precondition Failed"
        case 416: "Range Not Satisfiable"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 503: "Service Unavailable"
        default: "Status"
        }
    }
}
