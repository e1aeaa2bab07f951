import Basics

/// Puts together what decodes the columns of a stripe.
struct ORCStripeStreams {
    let footer: ORCStripeFooter
    let blocks: ORCBlockReader

    private enum Encoding: UInt64 {
        case direct, dictionary, directV2, dictionaryV2

        var isV2: Bool { self == .directV2 || self == .dictionaryV2 }
        var hasDictionary: Bool { self == .dictionary || self == .dictionaryV2 }
    }

    /// A column's decoder.
    ///
    /// - Throws: ``ColumnarProblem``
    func column(_ column: ORCFile.Column) throws -> ORCColumn {
        guard column.number < footer.encodings.count else { throw ColumnarProblem("has values of no known encoding") }
        let (kind, dictionarySize) = footer.encodings[column.number]
        let isText = column.wanted == .text
        guard let encoding = Encoding(rawValue: kind), isText || !encoding.hasDictionary else {
            throw ColumnarProblem("has values in an encoding that Icecore does not read (\(kind))", isUnsupported: true)
        }
        func stream(_ kind: ORCStripeFooter.StreamKind) throws -> ORCStream {
            try bytes(kind, of: column.number) ?? ORCStream(blocks: blocks, from: 0, to: 0)
        }
        func integers(_ kind: ORCStripeFooter.StreamKind, isSigned: Bool) throws -> any ORCIntegers {
            let bytes = try stream(kind)
            return encoding.isV2
                ? ORCIntegersV2(bytes, isSigned: isSigned) : ORCIntegersV1(bytes, isSigned: isSigned)
        }
        let values: any ORCValues
        switch (column.wanted, column.kind) {
        case (.integer, .byte): values = ORCTinyValues(ORCByteRuns(try stream(.data)))
        case (.integer, _): values = ORCNumberValues(try integers(.data, isSigned: true))
        case (.boolean, _): values = ORCBooleanValues(ORCBits(try stream(.data)))
        case (.time, _):
            if column.kind != .instant { try checkTimeZone() }
            values = ORCTimeValues(
                seconds: try integers(.data, isSigned: true),
                nanoseconds: try integers(.secondary, isSigned: false))
        case (.text, _) where encoding.hasDictionary:
            values = try ORCDictionaryValues(
                indices: try integers(.data, isSigned: false), lengths: try integers(.length, isSigned: false),
                bytes: try stream(.dictionary), size: dictionarySize, memory: blocks.memory)
        case (.text, _):
            values = try ORCDirectValues(
                bytes: try stream(.data), lengths: try integers(.length, isSigned: false), memory: blocks.memory)
        }
        return ORCColumn(
            name: column.name, values: values, isText: isText, present: try bits(.present, of: column.number))
    }

    /// A stream of booleans; nil if there is none.
    func bits(_ kind: ORCStripeFooter.StreamKind, of column: Int) throws -> ORCBits? {
        try bytes(kind, of: column).map { ORCBits($0) }
    }

    private func bytes(_ kind: ORCStripeFooter.StreamKind, of column: Int) throws -> ORCStream? {
        guard let stream = try footer.stream(kind, of: column), stream.end > stream.start else { return nil }
        return ORCStream(blocks: blocks, from: stream.start, to: stream.end)
    }

    private static let namesOfUTC: Set<String> = [
        "UTC", "GMT", "Etc/UTC", "Etc/GMT", "UCT", "Etc/UCT", "Zulu", "Etc/Zulu", "Universal", "Etc/Universal",
        "Greenwich", "Etc/Greenwich", "GMT0", "Etc/GMT0", "GMT+0", "Etc/GMT+0", "GMT-0", "Etc/GMT-0", "Z",
    ]

    /// Times are counted in the time zone of the machine that wrote them, and Icecore knows none but UTC.
    private func checkTimeZone() throws {
        let name = String(decoding: footer.timeZone, as: UTF8.self)
        guard !ORCStripeStreams.namesOfUTC.contains(name) else { return }
        guard !name.isEmpty else {
            throw ColumnarProblem("has times of a time zone that it does not name", isUnsupported: true)
        }
        throw ColumnarProblem(
            "has times of the time zone '\(Display.text(name))', and Icecore reads only those of UTC,",
            isUnsupported: true)
    }
}
