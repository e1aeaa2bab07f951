import Survey

/// The path of a folder or a key, each part of it a link.
struct Crumbs {
    let place: PagePlace
    let path: [UInt8]
    var isKey = false

    static func sum(_ sum: FolderSum?) -> Markup? {
        sum.map { "<span class=\"sum\">\(PageText.count($0.keys, "key")), \(PageText.size($0.bytes))</span>" }
    }

    func markup(_ sum: Markup? = nil) -> Markup {
        var parts: [(text: String, link: PageLink)] = [("All", place.folder([]))]
        var start = 0
        for (index, byte) in path.enumerated() where byte == UInt8(ascii: "/") {
            parts.append((PageText.shown(Array(path[start..<index])), place.folder(Array(path[...index]))))
            start = index + 1
        }
        if isKey { parts.append((PageText.shown(Array(path[start...])), place.key(path))) }
        var markup = Markup()
        for (number, part) in parts.enumerated() {
            if number > 0 { markup += "<span class=\"slash\" aria-hidden=\"true\">/</span>" }
            if number == parts.count - 1 {
                markup += "<span aria-current=\"page\">\(part.text)</span>"
            } else {
                let up: Markup = number == parts.count - 2 ? " data-step=\"up\"" : ""
                markup += "<a href=\"\(part.link)\"\(up)>\(part.text)</a>"
            }
        }
        return "<nav class=\"crumbs\" aria-label=\"Path\">\(markup)\(sum)</nav>"
    }
}

/// The ways to look at a folder.
struct Tabs {
    let place: PagePlace
    let subject: PageSubject

    func markup() -> Markup {
        let prefix = subject.prefix
        let tabs: [(String, PageSubject)] = [
            ("Contents", .folder(prefix)), ("Changes", .changes(prefix)), ("Pictures", .pictures(prefix)),
            ("Search", .search(prefix)),
        ]
        return Markup([
            "<nav class=\"tabs\" aria-label=\"Views\">",
            Markup(
                tabs.map { text, tab in
                    let current: Markup = tab.route == subject.route ? " aria-current=\"page\"" : ""
                    return "<a href=\"\(tab.link(place))\"\(current)>\(text)</a>"
                }), "</nav>",
        ])
    }
}

/// Commands and addresses to copy.
struct Take {
    let lines: [(label: String, text: String)]

    func markup() -> Markup {
        let lines = self.lines.map { line -> Markup in
            """
            <div class="line"><span>\(line.label)</span><code tabindex="0">\(line.text)</code>\
            <button type="button" data-copy aria-label="Copy: \(line.label)">Copy</button></div>
            """
        }
        return "<section class=\"card padded take\" aria-label=\"Commands\">\(lines)</section>"
    }
}
