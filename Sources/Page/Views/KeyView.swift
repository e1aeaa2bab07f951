import Basics
import Index
import Model
import Survey

/// A key: what the view shows of it, and all its versions.
struct KeyView {
    private static let mostVersions = 500

    let context: PageContext
    let key: [UInt8]
    /// The version to look at; nil: the one that the view shows, else the newest.
    let versionId: [UInt8]?
    let address: PageAddress

    private var place: PagePlace { context.place }

    func markup() throws -> Markup {
        let crumbs = Crumbs(place: place, path: key, isKey: true)
        guard let versions = try context.reader.versions(ofKey: key)?.versions, !versions.isEmpty else {
            return """
                \(crumbs.markup())<section class="card"><div class="empty"><strong>No inventory ever listed this key.\
                </strong><a href="\(place.search([]))">Search all keys</a></div></section>
                """
        }
        let shown = try context.reader.version(ofKey: key, context.view)?.identity
        let chosen = choose(versions, shown)
        let preview = try chosen.map { try self.preview($0) }
        return """
            \(crumbs.markup())\(summary(versions, shown))\
            <section class="card"><h2>Versions</h2>\(table(versions, shown, chosen))</section>\
            \(preview)\(chosen.map { take($0, shown) })
            """
    }

    private func choose(_ versions: [KeyVersions.Entry], _ shown: VersionIdentity?) -> KeyVersions.Entry? {
        let objects = versions.filter { !$0.identity.isMarker }
        if let versionId, let asked = objects.first(where: { $0.identity.versionId == versionId }) { return asked }
        return objects.first { $0.identity == shown } ?? objects.first
    }

    // MARK: What it is

    private func summary(_ versions: [KeyVersions.Entry], _ shown: VersionIdentity?) -> Markup {
        let date = PageText.day(context.view.time)
        let state: Markup
        if let shown {
            state = """
                <div><dt>On \(date)</dt><dd>\(PageText.size(shown.size))</dd></div>\
                <div><dt>Modified</dt><dd>\(PageText.day(shown.lastModified))</dd></div>
                """
        } else {
            state = "<div><dt>On \(date)</dt><dd>not there</dd></div>"
        }
        let objects = versions.count { !$0.identity.isMarker }
        let other: Markup?
        if context.other != nil, let text = try? changed(shown) { other = text } else { other = nil }
        return """
            <section class="card padded"><dl class="facts">\(state)<div><dt>Versions</dt>\
            <dd>\(PageText.number(Int64(objects)))</dd></div>\(other)</dl></section>
            """
    }

    private func changed(_ shown: VersionIdentity?) throws -> Markup? {
        guard let other = context.other else { return nil }
        let there = try context.reader.version(ofKey: key, other)?.identity
        let text: String
        if there == shown {
            text = shown == nil ? "not there either" : "the same"
        } else {
            text = there.map { PageText.size($0.size) } ?? "not there"
        }
        return "<div><dt>On \(PageText.day(other.time))</dt><dd>\(text)</dd></div>"
    }

    // MARK: Versions

    private func table(
        _ versions: [KeyVersions.Entry], _ shown: VersionIdentity?, _ chosen: KeyVersions.Entry?
    ) -> Markup {
        var rows = Markup()
        for (number, version) in versions.prefix(KeyView.mostVersions).enumerated() {
            let successor = number > 0 ? versions[number - 1].identity : nil
            let before = versions.dropFirst(number + 1).first { !$0.identity.isMarker }
            rows += row(version, successor, before, shown, isChosen: version.slot == chosen?.slot)
        }
        let more: Markup? =
            versions.count > KeyView.mostVersions
            ? "<p class=\"notice\">The newest \(KeyView.mostVersions) of \(versions.count) versions: 'icecore versions' has all.</p>"
            : nil
        return """
            <table class="stack"><thead><tr><th scope="col">Modified</th><th scope="col" class="number">Size</th>\
            <th scope="col">Until</th><th scope="col">Version</th><th scope="col"><span class="visually-hidden">Open</span>\
            </th></tr></thead><tbody>\(rows)</tbody></table>\(more)
            """
    }

    private func row(
        _ version: KeyVersions.Entry, _ successor: VersionIdentity?, _ before: KeyVersions.Entry?,
        _ shown: VersionIdentity?, isChosen: Bool
    ) -> Markup {
        let identity = version.identity
        let time = identity.lastModified
        let when: Markup = "<time datetime=\"\(time.rfc3339)\">\(PageText.day(time)), \(PageText.hour(time))</time>"
        let isShown = identity == shown
        let here: Markup? = isShown ? " <span class=\"chip\">at this date</span>" : nil
        let until: Markup
        if let successor {
            let verb = successor.isMarker ? "deleted" : "replaced"
            until = "\(verb) on \(PageText.shortDay(successor.lastModified))"
        } else {
            until = version.isLatest ? "now" : "no longer listed"
        }
        let id: Markup =
            identity.versionId.map { "<span class=\"mono break\">\(PageText.shown($0))</span>" } ?? "unknown"
        if identity.isMarker {
            return """
                <tr class="gone"><td class="name">\(when)</td><td class="number"><span class="chip minus">deleted</span></td>\
                <td class="when"></td><td>\(id)</td><td class="act"></td></tr>
                """
        }
        let look = place.key(key).with("version", identity.versionId)
        let compare: Markup? = before.map { before in
            let link = PageLink("text").with("key", key).with("from", before.identity.versionId)
                .with("to", identity.versionId).with("at", place.named)
            return " <a href=\"\(link)\">what changed</a>"
        }
        return """
            <tr\(isChosen ? " aria-current=\"true\"" as Markup : "")><td class="name"><a href="\(look)">\(when)</a>\(here)</td>\
            <td class="number">\(PageText.size(identity.size))</td><td class="when">\(until)</td><td>\(id)</td>\
            <td class="act">\(open(version))\(compare)</td></tr>
            """
    }

    private func open(_ version: KeyVersions.Entry) -> Markup {
        if case let state = version.flags.state, [.gone, .pruned].contains(state), version.identity.size > 0 {
            return "<span class=\"chip quiet\">\(state.rawValue)</span>"
        }
        return "<a href=\"\(raw(version.identity).with("download", "1"))\" download>download</a>"
    }

    private func raw(_ identity: VersionIdentity) -> PageLink {
        PageLink("raw").with("key", key).with("version", identity.versionId)
            .with("at", identity.versionId == nil ? place.named : nil)
    }

    // MARK: The version

    private func preview(_ version: KeyVersions.Entry) throws -> Markup {
        let identity = version.identity
        let type = try context.reader.headers(of: version, key: key)?.fields["content-type"]
        let time = PageText.day(identity.lastModified)
        guard let kind = PreviewKind(key: key, contentType: type), identity.size > 0 else {
            return """
                <section class="card padded"><h2>Version of \(time)</h2><p class="hush">\
                \(identity.size == 0 ? "It is empty." : "There is no preview of what it is\(type.map { " (\($0))" } ?? "").")</p></section>
                """
        }
        let link = PageLink("preview").with("key", key).with("version", identity.versionId)
            .with("at", identity.versionId == nil ? place.named : nil).with("kind", kind.rawValue)
        return """
            <section class="card"><h2>Version of \(time)</h2>\
            <iframe class="preview\(identity.size < 400 && kind != .image ? " short" as Markup : "")" sandbox title="Preview" loading="lazy" src="\(link)"></iframe></section>
            """
    }

    private func take(_ version: KeyVersions.Entry, _ shown: VersionIdentity?) -> Markup {
        let identity = version.identity
        let word = PageText.quoted(key)
        let isDashed = key.first == UInt8(ascii: "-")
        func cat(_ options: String) -> String {
            isDashed ? "icecore cat \(options) -- \(word)" : "icecore cat \(word) \(options)"
        }
        var lines: [(label: String, text: String)] = []
        if let id = identity.versionId {
            lines.append(("Print it", cat("--version-id \(PageText.quoted(id))")))
        } else {
            lines.append(("Print it", cat("--at \(place.at ?? "latest")")))
        }
        // A date on which this version was there.
        let at = identity == shown ? place.at : identity.lastModified.rfc3339
        lines.append(("Mount it", "icecore mount DIRECTORY --at \(PageText.quoted(Array((at ?? "latest").utf8)))"))
        lines.append(("With S3", address.s3(key, at: at)))
        return Take(lines: lines).markup()
    }
}
