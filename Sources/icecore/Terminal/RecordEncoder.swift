import Basics

/// Writes flat records as JSON, one per line: the fields in the order of their declaration, nil as `null`.
///
/// Foundation's encoder promises no order and leaves nil out. Records with keys are written by `JSONLine`: keys are
/// bytes, and there may be millions of them.
enum RecordEncoder {
    /// The line, its newline included.
    ///
    /// - Throws: `EncodingError` for a field that is not a string, a boolean or an integer.
    static func line(_ record: some Encodable) throws -> String {
        let fields = Fields()
        try record.encode(to: fields)
        return "{\(fields.texts.joined(separator: ","))}\n"
    }
}

extension Output {
    /// Adds a record as a line of JSON.
    func record(_ record: some Encodable) throws {
        try write(RecordEncoder.line(record).utf8)
    }
}

/// The fields of a record, each as `"name":value`.
private final class Fields: Encoder {
    var texts: [String] = []
    let codingPath: [any CodingKey] = []
    let userInfo: [CodingUserInfoKey: Any] = [:]

    func container<Key>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        KeyedEncodingContainer(FieldContainer<Key>(fields: self))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer { notFlat() }
    func singleValueContainer() -> any SingleValueEncodingContainer { notFlat() }
}

private struct FieldContainer<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let fields: Fields
    let codingPath: [any CodingKey] = []

    private func add(_ key: Key, _ value: String) {
        fields.texts.append("\(JSONLine.quoted(key.stringValue)):\(value)")
    }

    func encodeNil(forKey key: Key) {
        add(key, "null")
    }

    func encode(_ value: some Encodable, forKey key: Key) throws {
        switch value {
        case let value as String: add(key, JSONLine.quoted(value))
        case let value as Bool: add(key, value ? "true" : "false")
        case let value as any FixedWidthInteger: add(key, value.description)
        default:
            throw EncodingError.invalidValue(
                value, EncodingError.Context(codingPath: [key], debugDescription: "no field of a flat record"))
        }
    }

    // The protocol's own versions leave nil out.
    func encodeIfPresent(_ value: String?, forKey key: Key) throws { try encodeOrNil(value, key) }
    func encodeIfPresent(_ value: Bool?, forKey key: Key) throws { try encodeOrNil(value, key) }
    func encodeIfPresent(_ value: Int?, forKey key: Key) throws { try encodeOrNil(value, key) }
    func encodeIfPresent(_ value: Int64?, forKey key: Key) throws { try encodeOrNil(value, key) }

    private func encodeOrNil(_ value: (some Encodable)?, _ key: Key) throws {
        if let value { try encode(value, forKey: key) } else { encodeNil(forKey: key) }
    }

    func nestedContainer<Nested>(keyedBy: Nested.Type, forKey: Key) -> KeyedEncodingContainer<Nested> { notFlat() }
    func nestedUnkeyedContainer(forKey: Key) -> any UnkeyedEncodingContainer { notFlat() }
    func superEncoder() -> any Encoder { notFlat() }
    func superEncoder(forKey: Key) -> any Encoder { notFlat() }
}

private func notFlat() -> Never {
    preconditionFailure("a record is flat: strings, booleans and integers")
}
