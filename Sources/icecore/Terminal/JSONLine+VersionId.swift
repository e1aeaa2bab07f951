import Basics

extension JSONLine {
    /// Adds a version id: the string `null` for the null version, JSON's null for an unknown one.
    mutating func add(versionId: [UInt8]?) {
        if let versionId { add("versionId", text: versionId) } else { addNull("versionId") }
    }
}
