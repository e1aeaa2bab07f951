/// What of a content can be shown in a page.
enum PreviewKind: String {
    case text, table, image

    /// What a key's name, or else its Content-Type, says that it is; nil if nothing can be shown of that.
    init?(key: [UInt8], contentType: String?) {
        let name = PageText.lastComponent(key)
        let dot = name.lastIndex(of: UInt8(ascii: "."))
        let ending = dot.map { String(decoding: name[($0 + 1)...], as: UTF8.self).lowercased() } ?? ""
        let type = (contentType ?? "").split(separator: ";").first.map { $0.lowercased() } ?? ""
        if PreviewKind.tables.contains(ending) || type == "text/csv" || type == "text/tab-separated-values" {
            self = .table
        } else if PreviewKind.imageTypes[ending] != nil || PreviewKind.imageTypes.values.contains(type) {
            self = .image
        } else if PreviewKind.texts.contains(ending) || type.hasPrefix("text/") || type.hasSuffix("json")
            || type.hasSuffix("xml") || PreviewKind.names.contains(String(decoding: name, as: UTF8.self).lowercased())
        {
            self = .text
        } else {
            return nil
        }
    }

    private static let tables: Set<String> = ["csv", "tsv", "tab"]
    private static let texts: Set<String> = [
        "txt", "md", "rst", "json", "ndjson", "jsonl", "geojson", "yaml", "yml", "toml", "ini", "cfg", "conf", "log",
        "xml",
        "html", "htm", "css", "js", "ts", "py", "r", "c", "h", "cpp", "swift", "rs", "go", "java", "sh", "sql", "tex",
        "bib", "zattrs", "zarray", "zgroup", "zmetadata", "m", "jl", "ipynb", "gitignore", "license",
    ]
    private static let names: Set<String> = [
        "readme", "license", "changes", "notes", "makefile", "dockerfile", "changelog",
    ]

    /// What browsers draw, by the ending of a name.
    static let imageTypes = [
        "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp",
        "avif": "image/avif", "bmp": "image/bmp", "ico": "image/x-icon", "svg": "image/svg+xml",
    ]
}
