import Basics

/// A flat document: a root element whose children hold text.
enum XMLFields {
    /// The text of the root's children by name; the first of equal names counts, and grandchildren are ignored.
    static func read(_ xml: [UInt8], root: String) throws(IcecoreError) -> [String: String] {
        var fields: [String: String] = [:]
        try XMLReader.forEachElement(of: xml, root: root) { element in
            if element.path.count == 2, fields[element.name] == nil { fields[element.name] = element.string }
        }
        return fields
    }
}
