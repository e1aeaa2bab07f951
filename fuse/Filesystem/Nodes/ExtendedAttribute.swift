import Basics
import Index
import Model

/// `user.icecore.key`, `.versionId`, `.etag`, `.lastModified`, `.snapshot`, `.meta.…` and `.tag.…`, and `user.mime_type`.
struct ExtendedAttribute {
    static let prefix = "user.icecore."

    /// What desktops and web servers ask for a file's Content-Type.
    static let mimeType = "user.mime_type"
    /// The most bytes that Linux allows in a name, and in a value.
    private static let mostName = 255
    private static let mostValue = 65536

    /// With the prefix.
    var name: String
    var value: [UInt8]

    /// - Parameter name: without the prefix.
    init(_ name: String, _ value: [UInt8]) {
        self.name = "\(ExtendedAttribute.prefix)\(name)"
        self.value = value
    }

    /// All attributes of a row.
    ///
    /// - Parameter snapshot: the value of `user.icecore.snapshot`.
    static func all(
        _ row: borrowing EntryRow, in directory: Int64, snapshot: [UInt8]?, _ reader: IndexReader
    ) throws -> [ExtendedAttribute] {
        var list = [ExtendedAttribute("key", (try reader.prefix(of: directory) ?? []) + Array(row.name))]
        if !row.versionIsUnknown {
            let id = row.versionId.isEmpty ? Array("null".utf8) : Array(row.versionId)
            list.append(ExtendedAttribute("versionId", id))
        }
        if let etag = row.etagValue?.known { list.append(ExtendedAttribute("etag", Array(etag.utf8))) }
        list.append(ExtendedAttribute("lastModified", Array(row.lastModified.rfc3339.utf8)))
        if let snapshot { list.append(ExtendedAttribute("snapshot", snapshot)) }
        if let headers = try reader.headers(of: copy row, key: list[0].value) { list += all(headers) }
        return list
    }

    /// Those that tell headers, metadata and tags.
    private static func all(_ headers: ObjectHeaders) -> [ExtendedAttribute] {
        var list: [ExtendedAttribute] = []
        let type = headers.fields["content-type"] ?? (headers.isComplete ? "binary/octet-stream" : nil)
        if let type {
            var attribute = ExtendedAttribute("", Array(type.utf8))
            attribute.name = mimeType
            list.append(attribute)
        }
        for (name, value) in headers.metadata { list.append(ExtendedAttribute("meta.\(name)", Array(value.utf8))) }
        for (name, value) in headers.tags.sorted(by: { $0.key < $1.key }) {
            list.append(ExtendedAttribute("tag.\(name)", Array(value.utf8)))
        }
        return list.filter { attribute in
            // A tag may have a name that the system knows no way to ask for.
            attribute.name.utf8.count <= mostName && !attribute.name.utf8.contains(0)
                && attribute.value.count <= mostValue
        }
    }
}
