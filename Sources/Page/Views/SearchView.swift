import Basics
import Index
import Model
import Survey

/// A search for keys, as `icecore find` does it.
struct SearchView {
    enum SearchScope: String, CaseIterable {
        case here, ever, deleted

        var label: String {
            switch self {
            case .here: "at this date"
            case .ever: "at any time"
            case .deleted: "deleted ones"
            }
        }
    }

    private static let most = 300

    let context: PageContext
    let prefix: [UInt8]
    let text: [UInt8]?
    let scope: SearchScope
    let larger: String?

    private var place: PagePlace { context.place }

    func markup() throws -> Markup {
        """
        \(Crumbs(place: place, path: prefix).markup())\(Tabs(place: place, subject: .search(prefix)).markup())\
        <section class="card padded">\(form)</section>\(try results())
        """
    }

    /// What is typed without a sign of a pattern is looked for anywhere in a name.
    static func glob(_ text: [UInt8]) throws(IcecoreError) -> Glob {
        let isPattern = text.contains { [UInt8(ascii: "*"), UInt8(ascii: "?"), UInt8(ascii: "[")].contains($0) }
        return try Glob(isPattern ? text : [UInt8(ascii: "*")] + text + [UInt8(ascii: "*")])
    }

    /// `64M`, `1.5 GiB`, `2000`: in bytes.
    static func size(_ text: String) -> Int64? {
        let text = text.lowercased().filter { $0 != " " }
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let units: [Character: Double] = ["k": 0x1p10, "m": 0x1p20, "g": 0x1p30, "t": 0x1p40, "b": 1]
        let unit = text.dropFirst(digits.count).first.map { units[$0] } ?? 1
        guard digits.count < 18, let number = Double(digits), let unit, number * unit < 0x1p62 else { return nil }
        return Int64(number * unit)
    }

    private var form: Markup {
        let scopes = SearchScope.allCases.map { choice -> Markup in
            """
            <label><input type="radio" name="scope" value="\(choice.rawValue)"\
            \(choice == scope ? " checked" as Markup : "")> \(choice.label)</label>
            """
        }
        let at: Markup? = place.named.map { "<input type=\"hidden\" name=\"at\" value=\"\($0)\">" }
        let below: Markup? = prefix.isEmpty ? nil : "<input type=\"hidden\" name=\"prefix\" value=\"\(prefix)\">"
        return """
            <form class="ask" action="/-/search" method="get">\(at)\(below)<div class="row">\
            <input type="search" name="q" value="\(text ?? [])" placeholder="bleaching, *.csv, */2024-*/*.nc" \
            aria-label="What to search for" autocomplete="off" spellcheck="false" maxlength="1024">\
            <button class="button main">Search</button></div><div class="row">\(scopes)\
            <label>larger than <input type="text" name="larger" value="\(larger ?? "")" placeholder="64M" size="6"></label>\
            </div></form>
            """
    }

    private func results() throws -> Markup {
        guard let text, !text.isEmpty else {
            return """
                <section class="card"><div class="empty"><strong>Every key that was ever there can be found.</strong>\
                A part of a name will do. * stands for anything, ? for one character, [a-z] for one of some; \
                with a / in it, the whole key is compared.</div></section>
                """
        }
        let scope: KeyQuery.KeyScope =
            switch self.scope {
            case .here: .view(context.view)
            case .ever: .ever
            case .deleted: .deleted
            }
        var query = KeyQuery(try SearchView.glob(text), scope)
        query.prefix = prefix
        query.largerThan = larger.flatMap(SearchView.size)
        var found: [FoundKey] = []
        let isComplete = try context.reader.find(query, limit: context.patience) { key in
            found.append(key)
            return found.count <= SearchView.most
        }
        let isCut = found.count > SearchView.most
        if isCut { found.removeLast() }
        let notice: Markup?
        if !isComplete {
            notice =
                "<p class=\"notice\">There was no time to look at all keys: search in a folder, or with 'icecore find'.</p>"
        } else if isCut {
            notice = "<p class=\"notice\">There are more than \(SearchView.most): 'icecore find' has them all.</p>"
        } else {
            notice = nil
        }
        guard !found.isEmpty else {
            return """
                <section class="card">\(notice)<div class="empty"><strong>Nothing was found.</strong>\
                \(self.scope == .here ? elsewhere : nil)</div></section>
                """
        }
        return """
            <section class="card" aria-label="Found">\(notice)<table class="stack"><thead><tr><th scope="col">Key</th>\
            <th scope="col" class="number">Size</th><th scope="col">Modified</th><th></th></tr></thead>\
            <tbody>\(found.map(row))</tbody></table></section>
            """
    }

    private var elsewhere: Markup? {
        guard let text else { return nil }
        let link = place.search(prefix).with("q", text).with("scope", SearchScope.ever.rawValue)
        return "Try <a href=\"\(link)\">at any time</a>."
    }

    private func row(_ found: FoundKey) -> Markup {
        // A deleted key is opened at a date on which it was there.
        let link =
            found.isDeleted
            ? place.key(found.key).with("version", found.identity.versionId)
            : place.moved(to: scope == .here ? place.at : nil).key(found.key)
        let chip: Markup? =
            found.isDeleted
            ? "<span class=\"chip minus\">deleted\(found.deletedAt.map { " on \(PageText.shortDay($0))" } ?? "")</span>"
            : nil
        let time = found.identity.lastModified
        return """
            <tr\(found.isDeleted ? " class=\"gone\"" as Markup : "")><td class="name">\(Drawing.file)\
            <a href="\(link)">\(PageText.shown(found.key))</a></td><td class="number">\(PageText.size(found.identity.size))</td>\
            <td class="when"><time datetime="\(time.rfc3339)">\(PageText.shortDay(time))</time></td><td>\(chip)</td></tr>
            """
    }
}
