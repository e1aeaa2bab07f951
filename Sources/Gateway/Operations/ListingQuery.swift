import Basics
import Index
import Model

/// What listings of all kinds are asked for.
struct ListingQuery {
    var prefix: [UInt8]
    var delimiter: [UInt8]
    var maxKeys: Int
    /// Keys are percent-encoded in the answer.
    var isEncoded: Bool

    static let mostKeys = 1000

    init(_ call: S3Call) throws(S3Refusal) {
        prefix = call.query["prefix"] ?? []
        delimiter = call.query["delimiter"] ?? []
        maxKeys = ListingQuery.mostKeys
        if let text = call.query["max-keys"], !text.isEmpty {
            guard let number = Int32(String(decoding: text, as: UTF8.self)), number >= 0 else {
                throw .invalidArgument(
                    "Argument max-keys must be an integer between 0 and 2147483647", "max-keys", text)
            }
            maxKeys = min(Int(number), ListingQuery.mostKeys)
        }
        isEncoded = false
        if let type = call.query["encoding-type"] {
            guard type.elementsEqual("url".utf8) else {
                throw .invalidArgument("Invalid Encoding Method specified in Request", "encoding-type", type)
            }
            isEncoded = true
        }
    }

    var bounds: PageBounds { PageBounds(prefix: prefix, delimiter: delimiter) }

    /// Adds an element that holds a key, or a part of one.
    func element(_ name: StaticString, _ key: [UInt8], to xml: inout XMLWriter) {
        xml.element(name, isEncoded ? URLCoding.listed(key) : key)
    }

    /// Adds what all answers say of the request, after the markers.
    func end(_ isTruncated: Bool, to xml: inout XMLWriter) {
        xml.element("MaxKeys", Int64(maxKeys))
        if !delimiter.isEmpty { element("Delimiter", delimiter, to: &xml) }
        if isEncoded { xml.element("EncodingType", "url") }
        xml.element("IsTruncated", isTruncated)
    }

    func writePrefixes(_ prefixes: [[UInt8]], to xml: inout XMLWriter) {
        for prefix in prefixes {
            xml.open("CommonPrefixes")
            element("Prefix", prefix, to: &xml)
            xml.close("CommonPrefixes")
        }
    }
}

extension XMLWriter {
    /// Adds what listings say of a version besides its name.
    mutating func writeVersion(_ identity: VersionIdentity, _ flags: EntryRow.Flags) {
        element("LastModified", identity.lastModified.listed)
        if let etag = identity.etag?.known { element("ETag", "\"\(etag)\"") }
        element("Size", identity.size)
        element("StorageClass", flags.storageClass)
    }
}

extension EntryRow.Flags {
    /// The index knows no more of storage classes than whether a content has to be restored first.
    var storageClass: String { state == .archived ? "GLACIER" : "STANDARD" }
}
