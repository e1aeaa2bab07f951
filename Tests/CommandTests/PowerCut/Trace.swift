import Basics
import Foundation
import Testbed

/// One system call of a trace.
struct TracedCall {
    struct Argument {
        /// As strace writes it; of a string, nothing.
        var text = ""
        /// What a string holds.
        var bytes: [UInt8]?

        /// A number, or a descriptor.
        var number: Int? { Int(text.prefix { $0.isNumber || $0 == "-" }) }
        /// The string as a path.
        var string: String? { bytes.map { String(decoding: $0, as: UTF8.self) } }
        /// The path of a descriptor.
        var path: String? {
            guard let start = text.firstIndex(of: "<"), let end = text.lastIndex(of: ">") else { return nil }
            let digits = text[text.index(after: start)..<end].replacing("\\x", with: "")
            return Hex.decode(digits.utf8).map { String(decoding: $0, as: UTF8.self) }
        }

        func has(_ flag: String) -> Bool {
            text.split(separator: "|").contains { $0 == flag }
        }
    }

    var name: String
    var arguments: [Argument]
    /// Nil: it has not come back.
    var result: Int?
}

/// What a program asked of the kernel, in the order in which it happened, as far as one call can have led to another: what
/// a call does counts from its end, what it makes durable was there at its beginning.
struct Trace {
    enum CallEvent {
        /// Not told of calls whose beginning does not matter.
        case begins(TracedCall, thread: Int)
        case ends(TracedCall, thread: Int)
    }

    private(set) var events: [CallEvent] = []

    /// Everything that can change a file, a name, or what is known to be durable.
    private static let calls = [
        "open", "openat", "creat", "close", "dup", "dup2", "dup3", "lseek", "write", "pwrite64", "writev", "pwritev",
        "pwritev2", "ftruncate", "truncate", "fallocate", "rename", "renameat", "renameat2", "link", "linkat", "unlink",
        "unlinkat", "mkdir", "mkdirat", "rmdir", "symlink", "symlinkat", "fsync", "fdatasync", "syncfs", "sync", "mmap",
        "copy_file_range", "sendfile", "splice", "ioctl", "chmod", "fchmod", "fchmodat",
    ]
    private static let beginnings: Set<String> = ["close", "fsync", "fdatasync", "syncfs", "sync"]

    /// What to run a program under.
    static func wrapper(_ path: String) -> [String] {
        [
            "/usr/bin/strace", "-f", "-y", "-xx", "-s", "\(64 << 20)", "-e", "signal=none", "-e",
            "trace=\(calls.joined(separator: ","))", "-o", path,
        ]
    }

    init(path: String) throws {
        let content = try Files.read(path, limit: 1 << 30)
        var unfinished: [Int: [UInt8]] = [:]
        try content.withUnsafeBufferPointer { content in
            var rest = content[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { bytes -> Int in
                    guard let start = bytes.baseAddress, let end = memchr(start, 10, bytes.count) else {
                        return bytes.count
                    }
                    return start.distance(to: UnsafeRawPointer(end))
                }
                let line = rest.prefix(count)
                rest = rest.dropFirst(count + 1)
                try take(line, &unfinished)
            }
        }
    }

    private mutating func take(_ line: Slice<UnsafeBufferPointer<UInt8>>, _ unfinished: inout [Int: [UInt8]]) throws {
        guard let space = line.firstIndex(of: 0x20), let thread = Int(Trace.text(line[..<space])) else {
            throw TestbedError("no line of a trace: \(Trace.text(line.prefix(200)))")
        }
        let rest = line[space...].drop { $0 == 0x20 }
        if rest.starts(with: "+++".utf8) || rest.starts(with: "---".utf8) { return }
        if rest.starts(with: "<... ".utf8) {
            let end = Array(" resumed>".utf8)
            guard var call = unfinished.removeValue(forKey: thread), let place = Trace.find(end, rest) else {
                throw TestbedError("no beginning of \(Trace.text(rest.prefix(100)))")
            }
            call += rest[(place + end.count)...]
            try call.withUnsafeBufferPointer { events.append(.ends(try Trace.parse($0[...]), thread: thread)) }
            return
        }
        let mark = Array(" <unfinished ...>".utf8)
        if rest.suffix(mark.count).elementsEqual(mark) {
            let beginning = rest.dropLast(mark.count)
            unfinished[thread] = Array(beginning)
            let call = try Trace.parse(beginning)
            if Trace.beginnings.contains(call.name) { events.append(.begins(call, thread: thread)) }
            return
        }
        let call = try Trace.parse(rest)
        if Trace.beginnings.contains(call.name) { events.append(.begins(call, thread: thread)) }
        events.append(.ends(call, thread: thread))
    }

    // MARK: - One call

    private static func text(_ bytes: some Collection<UInt8>) -> String {
        String(decoding: bytes, as: UTF8.self)
    }

    private static func find(_ pattern: [UInt8], _ bytes: Slice<UnsafeBufferPointer<UInt8>>) -> Int? {
        bytes.indices.first { bytes[$0...].starts(with: pattern) }
    }

    /// Reads `name(argument, …) = result`; of a call that has only begun, the end is missing.
    private static func parse(_ line: Slice<UnsafeBufferPointer<UInt8>>) throws -> TracedCall {
        guard let open = line.firstIndex(of: UInt8(ascii: "(")) else {
            throw TestbedError("no call: \(text(line.prefix(200)))")
        }
        var call = TracedCall(name: text(line[..<open]), arguments: [], result: nil)
        var place = open + 1
        var argument = TracedCall.Argument()
        var start = place
        var depth = 0
        loop: while place < line.endIndex {
            switch line[place] {
            case UInt8(ascii: "\""):
                argument.bytes = string(line, &place)
                guard !line[place...].starts(with: "...".utf8) else {
                    throw TestbedError("the trace has cut a string of \(call.name)")
                }
                start = place
                continue loop
            case UInt8(ascii: "("), UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
            case UInt8(ascii: "]"), UInt8(ascii: "}"): depth -= 1
            case UInt8(ascii: ")") where depth > 0: depth -= 1
            case UInt8(ascii: ","), UInt8(ascii: ")"):
                guard depth == 0 else { break }
                argument.text = text(line[start..<place].drop { $0 == 0x20 })
                call.arguments.append(argument)
                argument = TracedCall.Argument()
                start = place + 1
                if line[place] == UInt8(ascii: ")") { break loop }
            default: break
            }
            place += 1
        }
        if place >= line.endIndex {
            argument.text = text(line[min(start, line.endIndex)...].drop { $0 == 0x20 })
            call.arguments.append(argument)
            return call
        }
        let end = line[(place + 1)...].drop { $0 == 0x20 || $0 == UInt8(ascii: "=") }
        call.result = Int(text(end.prefix { (48...57).contains($0) || $0 == UInt8(ascii: "-") }))
        return call
    }

    /// Reads a string of `\x2f`s; `place` is behind it then.
    private static func string(_ line: Slice<UnsafeBufferPointer<UInt8>>, _ place: inout Int) -> [UInt8] {
        let bytes = line.base
        var position = place + 1
        let end = line.endIndex
        let room = (end - position) / 4 + 1
        let result = [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
            while position + 3 < end, bytes[position] == UInt8(ascii: "\\") {
                buffer[count] = digit(bytes[position + 2]) << 4 | digit(bytes[position + 3])
                count += 1
                position += 4
            }
        }
        place = position + 1
        return result
    }

    @inline(__always)
    private static func digit(_ byte: UInt8) -> UInt8 {
        byte < 58 ? byte & 15 : (byte & 15) + 9
    }
}

extension Trace.CallEvent {
    /// Whether it is the end of some call, on a file whose path has this in it.
    func isEnd(of name: String, on part: String = "") -> Bool {
        guard case .ends(let call, _) = self, call.name == name else { return false }
        let first = call.arguments.first
        return part.isEmpty || (first?.path ?? first?.string)?.contains(part) == true
    }
}
