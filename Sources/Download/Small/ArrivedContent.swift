/// Where an arrived content is.
package enum ArrivedContent: Sendable {
    case memory(HeldContent)
    /// In its temporary file.
    case file

    /// Passes the content to `body`, from the first byte to the last.
    func read(_ temporary: String, _ body: (UnsafeRawBufferPointer) -> Void) throws {
        switch self {
        case .memory(let content): body(content.bytes)
        case .file: try ContentCheck.read(temporary, body)
        }
    }
}
