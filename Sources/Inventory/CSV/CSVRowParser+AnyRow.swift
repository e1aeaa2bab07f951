import Basics
import Glibc

/// Rows by RFC 4180: fields without quotation marks, doubled ones inside, lines that end with CRLF or with the file.
extension CSVRowParser {
    /// Reads the fields of one row.
    ///
    /// - Returns: where the next row begins; nil if this one is not complete yet.
    @inline(never)
    func readAnyRow(
        _ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>, isLast: Bool
    ) throws(IcecoreError) -> UnsafePointer<UInt8>? {
        let comma = UInt8(ascii: ","), quote = UInt8(ascii: "\""), newline = UInt8(ascii: "\n")
        // A row's content is not longer than the row, and no longer row is accepted.
        let needed = min(end - start, CSVRowParser.longestRow) + 64
        if scratchCapacity < needed {
            scratch.deallocate()
            scratch = .allocate(capacity: needed)
            scratchCapacity = needed
        }
        // The caller refuses longer rows. A cut row must not pass for a complete one.
        let isCut = end - start > CSVRowParser.longestRow
        let end = isCut ? start + CSVRowParser.longestRow : end
        let isLast = isLast && !isCut

        var position = start
        var place = 0
        var used = 0
        while true {
            let field: ByteSlice
            if position < end, position.pointee == quote {
                guard let content = try readQuotedField(&position, end, isLast: isLast, place: place, &used) else {
                    return nil
                }
                field = content
            } else {
                let content = position
                while position < end, position.pointee != comma, position.pointee != newline {
                    guard position.pointee != quote else {
                        throw damaged("field \(place + 1) has a quotation mark inside, but does not begin with one")
                    }
                    position += 1
                }
                if position == end, !isLast { return nil }
                var last = position
                let endsLine = position == end || position.pointee == newline
                if endsLine, last > content, last[-1] == UInt8(ascii: "\r") {
                    last -= 1
                    // The end of the line is handled below.
                    position = last
                }
                field = ByteSlice(start: content, count: last - content)
            }

            guard place < slots.count else {
                throw damaged("the row has more fields than the \(slots.count) of the manifest's fileSchema")
            }
            fields[slots[place]] = field
            place += 1

            if position < end, position.pointee == comma {
                position += 1
                continue
            }
            if position < end, position.pointee == UInt8(ascii: "\r") {
                position += 1
                if position == end, !isLast { return nil }
            }
            if position == end {
                guard isLast else { return nil }
            } else if position.pointee == newline {
                position += 1
            } else {
                throw damaged("field \(place) continues after its closing quotation mark")
            }
            guard place == slots.count else {
                throw damaged(
                    "the row has \(place) \(place == 1 ? "field" : "fields"), "
                        + "fewer than the \(slots.count) of the manifest's fileSchema")
            }
            return position
        }
    }

    /// Reads a field in quotation marks, without them and with doubled ones made single, into `scratch`.
    ///
    /// - Parameters:
    ///   - position: of the opening mark; then behind the closing one.
    ///   - used: bytes of `scratch` that earlier fields take.
    /// - Returns: nil if the field is not complete yet.
    private func readQuotedField(
        _ position: inout UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>, isLast: Bool, place: Int,
        _ used: inout Int
    ) throws(IcecoreError) -> ByteSlice? {
        let quote = UInt8(ascii: "\"")
        let start = used
        position += 1
        while true {
            let rest = end - position
            guard rest > 0, let found = memchr(position, Int32(quote), rest) else {
                guard isLast else { return nil }
                throw damaged("the quotation mark that opens field \(place + 1) is never closed")
            }
            let close = UnsafePointer(found.assumingMemoryBound(to: UInt8.self))
            memcpy(scratch + used, position, close - position)
            used += close - position
            position = close + 1
            if position == end, !isLast { return nil }
            guard position < end, position.pointee == quote else { break }
            scratch[used] = quote
            used += 1
            position += 1
        }
        return ByteSlice(start: UnsafePointer(scratch) + start, count: used - start)
    }
}
