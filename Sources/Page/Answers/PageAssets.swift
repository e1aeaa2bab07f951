import Basics
import Web

/// The page's own files, which are part of the program.
enum PageAssets {
    private static let files: [String: (type: String, bytes: [UInt8])] = [
        "page.css": ("text/css; charset=utf-8", PackageResources.page_css),
        "page.js": ("text/javascript; charset=utf-8", PackageResources.page_js),
        "preview.css": ("text/css; charset=utf-8", PackageResources.preview_css),
        "mark.svg": ("image/svg+xml", PackageResources.mark_svg),
    ]

    /// By name: the program may be another one after a restart.
    private static let tags = files.mapValues { "\"\(Hex.encode(SHA256.digest($0.bytes).prefix(12)))\"" }

    static func answer(_ name: String, _ request: WebRequest) -> WebResponse {
        guard let file = files[name], let tag = tags[name] else { return PageAnswer.text(404, "there is no such file") }
        var headers = PageAnswer.headers(file.type, policy: PageAnswer.rawPolicy)
        headers.append(("ETag", tag))
        // The documents of previews have an origin of their own, and use the style sheet.
        headers = headers.map { $0.name == "Cross-Origin-Resource-Policy" ? ($0.name, "cross-origin") : $0 }
        if request.header("If-None-Match") == tag { return WebResponse(status: 304, headers: headers) }
        return WebResponse(status: 200, headers: headers, body: .bytes(file.bytes))
    }
}
