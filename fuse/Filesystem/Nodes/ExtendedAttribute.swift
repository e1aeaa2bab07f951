import Basics
import Index

/// `user.icecore.key`, `.versionId`, `.etag`, `.lastModified`, `.snapshot`.
struct ExtendedAttribute {
    static let prefix = "user.icecore."

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
        return list
    }
}
