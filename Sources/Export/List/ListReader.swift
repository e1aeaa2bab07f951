import Basics
import Glibc

/// Reads an export's list, line by line.
///
/// Whoever can write to a target can write to its list: everything in it is checked, so that no name leads out of the
/// directory that it stands in, and the order is that of keys.
final class ListReader {
    enum Line {
        case file(ListStamp, [UInt8])
        case directory(ListedDirectory, [UInt8])
        case alias([UInt8])
        /// The end of a directory.
        case end
    }

    /// How a list begins; the bucket follows.
    static let header = Array("icecore export list 2 ".utf8)
    /// A list that does not say whose it is.
    private static let olderHeader = Array("icecore export list 1".utf8)

    /// The line that is read next; nil behind the last.
    private(set) var current: Line?
    private let file: File
    /// Where it is read to; nil: to its own end.
    private let limit: Int64?
    /// It is the inside of a directory that is read.
    private let isPart: Bool
    private var buffer = [UInt8](repeating: 0, count: 1 << 17)
    private var start = 0
    private var end = 0
    /// Of the buffer's end in the file.
    private var position: Int64
    /// Of the current line.
    private var lineStart: Int64 = 0
    /// The last name of each open directory.
    private var names: [[UInt8]] = [[]]
    private var isBegun = [false]
    /// A key has at most 1024 bytes, so this many components.
    private static let depth = 1100
    private static let lineLimit = 8192

    /// Opens the list of a target; nil where there is none.
    ///
    /// - Throws: `busy` if another bucket was exported there: its files are not this one's to replace or to remove.
    static func open(_ path: String, bucket: String) throws -> ListReader? {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return nil }
            throw IcecoreError.system("cannot examine", path, errno: errno)
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw IcecoreError(.busy, "'\(path)' is in the way: move it elsewhere")
        }
        let reader = try ListReader(path, from: 0, to: nil, isPart: false)
        guard let line = try reader.line(),
            reader.buffer[line].elementsEqual(olderHeader) || reader.buffer[line].starts(with: header)
        else {
            throw IcecoreError(
                .unsupported, "'\(path)' is not a list that this version of icecore knows: move it elsewhere")
        }
        let owner = reader.buffer[line].dropFirst(header.count)
        guard owner.isEmpty || owner.elementsEqual(bucket.utf8) else {
            throw IcecoreError(
                .busy,
                "'\(Files.directory(of: path))' holds an export of s3://\(Display.text(owner)): choose another directory for "
                    + "s3://\(bucket), for each replaces and removes what an earlier export wrote. Nothing was changed")
        }
        try reader.advance()
        return reader
    }

    /// The lines of a directory from its first one on.
    ///
    /// - Parameters:
    ///   - offset: where the first line begins.
    ///   - limit: where the list ends, of which no more has been written.
    static func inside(_ path: String, from offset: Int64, to limit: Int64?, levels: Int = 1) throws -> ListReader {
        let reader = try ListReader(path, from: offset, to: limit, isPart: true)
        (reader.names, reader.isBegun) = (Array(repeating: [], count: levels), Array(repeating: false, count: levels))
        try reader.advance()
        return reader
    }

    private init(_ path: String, from offset: Int64, to limit: Int64?, isPart: Bool) throws {
        file = try File(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
        self.limit = limit
        self.isPart = isPart
        position = offset
    }

    /// Another reader of the same list, at the current line.
    ///
    /// - Parameter levels: how many of the directories that are open at this line it is to read to their ends.
    func fork(levels: Int = 1) throws -> ListReader {
        try ListReader.inside(file.path, from: lineStart, to: limit, levels: levels)
    }

    /// Everything that the list says about the current name; the next line is the one behind it, which for a directory
    /// is its first.
    func take() throws -> ListedName? {
        guard let line = current, let name = ListReader.name(line) else { return nil }
        var listed = ListedName(name: name)
        while let line = current, ListReader.name(line) == name {
            switch line {
            case .file(let stamp, _): listed.stamps.append(stamp)
            case .alias: listed.isAlias = true
            case .directory(let directory, _):
                listed.directory = directory
                try advance()
                return listed
            case .end: break
            }
            try advance()
        }
        return listed
    }

    /// The name at the current line; nil at the end of a directory.
    var name: [UInt8]? { current.flatMap(ListReader.name) }

    /// The current name was left out.
    var isAtAlias: Bool {
        if case .alias = current { true } else { false }
    }

    /// The current line is a directory that is only planned.
    var isAtPlan: Bool {
        if case .directory(let directory, _) = current { directory.certainty == .planned } else { false }
    }

    private static func name(_ line: Line) -> [UInt8]? {
        switch line {
        case .file(_, let name), .directory(_, let name), .alias(let name): name
        case .end: nil
        }
    }

    /// Passes over the current name, and all that its directory holds.
    func skip() throws {
        var depth = 0
        repeat {
            if try take()?.directory != nil { depth += 1 }
            while depth > 0, case .end = current {
                try advance()
                depth -= 1
            }
        } while depth > 0 && current != nil
    }

    /// Passes over the end of a directory.
    func leave() throws {
        if case .end = current { try advance() }
    }

    private func advance() throws {
        if isPart, names.isEmpty {
            current = nil
            return
        }
        guard let range = try line() else {
            // Only a part of a list may end inside a directory.
            if limit == nil, !names.isEmpty { throw damaged }
            current = nil
            return
        }
        guard let line = buffer[range].withUnsafeBytes(ListReader.parse) else { throw damaged }
        try check(line)
        current = line
    }

    private func check(_ line: Line) throws {
        guard let last = names.last else { throw damaged }
        guard let name = ListReader.name(line) else {
            names.removeLast()
            isBegun.removeLast()
            return
        }
        let isSame = isBegun[names.count - 1] && last == name
        guard ListedName.isPossible(name), !isBegun[names.count - 1] || isSame || ListedName.precedes(last, name) else {
            throw damaged
        }
        names[names.count - 1] = name
        isBegun[names.count - 1] = true
        switch line {
        case .directory:
            guard ListedName.isDirectory(name), names.count < ListReader.depth else { throw damaged }
            names.append([])
            isBegun.append(false)
        case .file: if ListedName.isDirectory(name) { throw damaged }
        case .alias, .end: break
        }
    }

    /// The place of the next line in the buffer, without its end; nil at the end of the list.
    private func line() throws -> Range<Int>? {
        while true {
            lineStart = position - Int64(end - start)
            if let limit, lineStart >= limit { return nil }
            if let newline = buffer[start..<end].firstIndex(of: 0x0a) {
                defer { start = newline + 1 }
                return start..<newline
            }
            guard end - start < ListReader.lineLimit else { throw damaged }
            buffer.withUnsafeMutableBytes { bytes in
                bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
            }
            (start, end) = (0, end - start)
            let descriptor = file.descriptor
            let (place, known) = (position, end)
            let count = try buffer.withUnsafeMutableBytes { bytes in
                try systemCall("cannot read", file.path) {
                    pread(descriptor, bytes.baseAddress.map { $0 + known }, bytes.count - known, off_t(place))
                }
            }
            if count == 0 {
                if end > start { throw damaged }
                return nil
            }
            position += Int64(count)
            end += count
        }
    }

    private var damaged: IcecoreError {
        IcecoreError(
            .damaged,
            "'\(file.path)' is damaged: move it elsewhere; what earlier exports wrote will then be left where it is")
    }
}

extension ListReader {
    fileprivate static func parse(_ line: UnsafeRawBufferPointer) -> Line? {
        var fields = FieldScanner(rest: line[...])
        switch fields.kind() {
        case UInt8(ascii: "."): return line.count == 1 ? .end : nil
        case UInt8(ascii: "A"): return fields.name().map { .alias($0) }
        case UInt8(ascii: "D"):
            guard let certainty = fields.certainty(), let made = fields.number(), (0...1).contains(made),
                let name = fields.name()
            else { return nil }
            return .directory(ListedDirectory(certainty: certainty, isMade: made == 1), name)
        case UInt8(ascii: "F"):
            guard let certainty = fields.certainty(), let size = fields.number(), let wanted = fields.number(),
                let seconds = fields.number(), let nanoseconds = fields.number(), let name = fields.name()
            else { return nil }
            let stamp = ListStamp(
                certainty: certainty, size: size, wanted: wanted, seconds: seconds, nanoseconds: nanoseconds)
            return .file(stamp, name)
        default: return nil
        }
    }
}

/// The fields of a line, each behind a space; the last is a name, with `\n`, `\0` and `\\` for what a line cannot have.
private struct FieldScanner {
    var rest: Slice<UnsafeRawBufferPointer>

    mutating func kind() -> UInt8? { rest.popFirst() }

    private mutating func space() -> Bool { rest.popFirst() == UInt8(ascii: " ") }

    mutating func certainty() -> ListCertainty? {
        space() ? rest.popFirst().flatMap { ListCertainty(rawValue: $0) } : nil
    }

    mutating func number() -> Int64? {
        guard space() else { return nil }
        let isNegative = rest.first == UInt8(ascii: "-")
        if isNegative { rest.removeFirst() }
        guard let first = rest.first, (48...57).contains(first) else { return nil }
        var value: Int64 = 0
        while let digit = rest.first, (48...57).contains(digit) {
            let (tens, over) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflow) = tens.addingReportingOverflow(Int64(digit) - 48)
            if over || overflow { return nil }
            value = sum
            rest.removeFirst()
        }
        return isNegative ? -value : value
    }

    mutating func name() -> [UInt8]? {
        guard space() else { return nil }
        var name: [UInt8] = []
        name.reserveCapacity(rest.count)
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\") else {
                name.append(byte)
                continue
            }
            switch rest.popFirst() {
            case UInt8(ascii: "n"): name.append(0x0a)
            case UInt8(ascii: "0"): name.append(0)
            case UInt8(ascii: "\\"): name.append(UInt8(ascii: "\\"))
            default: return nil
            }
        }
        return name
    }
}
