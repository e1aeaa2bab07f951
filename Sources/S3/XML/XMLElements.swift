import Basics

/// An element of a document whose end has been read.
struct XMLElement {
    /// The names from the root down to the element itself.
    let path: [String]
    /// The text inside the element, decoded; if it has children, only what follows the last of them.
    let text: [UInt8]
    /// Whether it has no children.
    let isLeaf: Bool

    var name: String { path.last ?? "" }
    var string: String { String(decoding: text, as: UTF8.self) }
}

extension XMLReader {
    /// Reads a whole document and visits each element at its end, so children before their parents.
    ///
    /// - Parameters:
    ///   - root: the name that the root element must have; nil for any.
    ///   - visit: may refuse an element by an error, which ends the reading.
    /// - Throws: `invalidData` for a document that is not well-formed, or has another root.
    static func forEachElement(
        of xml: [UInt8], root: String? = nil, _ visit: (XMLElement) throws(IcecoreError) -> Void
    ) throws(IcecoreError) {
        var reader = XMLReader(xml)
        var path: [String] = []
        var text: [UInt8] = []
        var isLeaf = false
        while true {
            switch try reader.next() {
            case .start(let name):
                if let root, path.isEmpty, name != root {
                    throw IcecoreError(.invalidData, "the server's XML is not the expected \(root)")
                }
                path.append(name)
                text = []
                isLeaf = true
            case .text(let more):
                text += more
            case .end:
                try visit(XMLElement(path: path, text: text, isLeaf: isLeaf))
                path.removeLast()
                text = []
                isLeaf = false
            case .endOfDocument:
                return
            }
        }
    }
}
