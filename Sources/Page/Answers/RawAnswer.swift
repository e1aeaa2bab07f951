import Basics
import Blobs
import Model
import Serving
import Web

/// The bytes of a version: to be saved, or drawn as an image, and never run.
struct RawAnswer {
    private let query: PageQuery
    private let contents: PageContents
    private let key: [UInt8]
    private let id: [UInt8]?

    init(_ query: PageQuery, _ contents: PageContents) {
        self.query = query
        self.contents = contents
        key = query.bytes("key") ?? []
        id = query.bytes("version")
    }

    /// What a browser may draw is sent as what it is; everything else, and what is asked for as a download, is saved.
    func answer(_ request: WebRequest) throws -> WebResponse {
        let version = try contents.version(key, id: id, at: query.text("at"))
        let type = imageType(version.type)
        let isSaved = query.flag("download") || type == nil
        var headers = PageAnswer.headers(
            isSaved ? "application/octet-stream" : type ?? "application/octet-stream", policy: PageAnswer.rawPolicy)
        headers.append(("Content-Disposition", RawAnswer.disposition(isSaved ? "attachment" : "inline", key)))
        let content = try contents.find(key, version.identity, version.flags, isLatest: version.isLatest)
        let size = version.identity.size
        if request.method == "HEAD" { return WebResponse(status: 200, headers: headers, body: .head(length: size)) }
        let body: WebBody =
            switch content {
            case .empty, .unavailable: .bytes([])
            case .here(let blob): .content(blob, 0..<blob.size)
            case .elsewhere(let absent): .pieces(length: size, next: absent.pieces(0..<size))
            }
        return WebResponse(status: 200, headers: headers, body: body)
    }

    /// What kind of image it is, by its name or else by its Content-Type; nil if it is none that a browser draws.
    private func imageType(_ contentType: String?) -> String? {
        let ending = PageText.lastComponent(key).split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        let image = ending.last.flatMap { PreviewKind.imageTypes[String(decoding: $0, as: UTF8.self).lowercased()] }
        return image ?? PreviewKind.imageTypes.values.first { $0 == contentType?.lowercased() }
    }

    /// The document for the frame of a preview.
    func preview() throws -> WebResponse {
        let version = try contents.version(key, id: id, at: query.text("at"))
        guard let kind = query.text("kind").flatMap(PreviewKind.init(rawValue:)) else {
            throw IcecoreError(.usage, "there is no such kind of preview")
        }
        let content = try contents.find(key, version.identity, version.flags, isLatest: version.isLatest)
        let size = version.identity.size
        if kind == .image {
            guard let type = imageType(version.type) else {
                throw IcecoreError(.usage, "this is no image that a browser draws")
            }
            if size > PreviewAnswer.imageLimit { return PageAnswer.preview { PreviewAnswer.tooLarge } }
            return PageAnswer.preview(
                pieces: PreviewAnswer.image(type: type, PageContents.pieces(of: content, size: size)))
        }
        let read = PageContents.beginning(of: content, size: size, limit: PreviewAnswer.limit)
        let isTabbed = key.suffix(4).elementsEqual(".tsv".utf8) || key.suffix(4).elementsEqual(".tab".utf8)
        return PageAnswer.preview {
            let preview = PreviewAnswer(bytes: try read(), isCut: size > Int64(PreviewAnswer.limit))
            return kind == .table
                ? preview.table(separator: UInt8(ascii: isTabbed ? "\t" : ",")) : preview.text()
        }
    }

    /// The name to save it under: in ASCII for old clients, and as RFC 8187 has it. Nothing of a stranger gets into the
    /// header but letters, digits and what is encoded.
    static func disposition(_ kind: String, _ key: [UInt8]) -> String {
        let name = PageText.lastComponent(key)
        func isPlain(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        let plain = String(decoding: name.map { isPlain($0) ? $0 : UInt8(ascii: "_") }, as: UTF8.self)
        let encoded = name.map { byte in
            isPlain(byte) ? String(Character(Unicode.Scalar(byte))) : "%" + Hex.encode([byte]).uppercased()
        }
        return "\(kind); filename=\"\(plain.isEmpty ? "object" : plain)\"; filename*=UTF-8''\(encoded.joined())"
    }
}
