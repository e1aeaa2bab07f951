import Basics
import Index
import Model
import Survey

/// A folder at a date: its path, what is in it, and what to copy.
struct FolderView {
    /// So many names on a page.
    static let count = 200

    let context: PageContext
    let prefix: [UInt8]
    /// The name that the page begins with.
    let after: [UInt8]?
    let address: PageAddress

    private var place: PagePlace { context.place }

    func markup() throws -> Markup {
        var query = FolderQuery(prefix: prefix, view: context.view, count: FolderView.count)
        query.other = context.other
        query.showsDeleted = place.showsDeleted
        query.from = after ?? []
        let page = try context.reader.folderPage(query, limit: .milliseconds(2000))
        // Of what is on the page first; the folder's own sum has the rest of the time.
        let rows = try page.items.map { try row($0) }
        let whole = try sumOfPage(page) ?? context.change(below: prefix)
        let sum = try whole.map(context.sum) ?? context.recordedSum(prefix)
        let late: Markup? = whole == nil ? self.late : nil
        return """
            \(Crumbs(place: place, path: prefix).markup(Crumbs.sum(sum)))\
            \(Tabs(place: place, subject: .folder(prefix)).markup())\
            <section class="card" aria-label="Contents">\(whole.map(changed))\(late)\(try table(rows, page))</section>\
            \(take)
            """
    }

    /// What to do where sums are missing.
    private var late: Markup {
        let link = place.folder(prefix, after: after).with("long", "1")
        return "<p class=\"notice\">Some sums take longer: <a rel=\"nofollow\" href=\"\(link)\">find them out</a>.</p>"
    }

    /// What is below the folder, if the page has all of it and everything on the page is known.
    private func sumOfPage(_ page: FolderPage) throws -> FolderChange? {
        guard after == nil, page.next == nil else { return nil }
        var sum = FolderChange()
        for item in page.items {
            if item.isFolder {
                guard item.isShown || item.isShownByOther else { continue }
                guard let change = try context.change(below: prefix + item.name) else { return nil }
                sum.add(change)
            } else {
                let isOlder = context.ordered.map { $0.old == context.view } ?? false
                let other = context.other == nil ? item.identity : item.other
                sum.add(key: isOlder ? item.identity : other, isOlder ? other : item.identity)
            }
        }
        return sum
    }

    // MARK: Rows

    private func table(_ rows: [Markup], _ page: FolderPage) throws -> Markup {
        guard !rows.isEmpty || after != nil || page.next != nil else { return try nothing() }
        let since = context.other.map { other in
            (other.time <= context.view.time ? "Since " : "Until ") + PageText.shortDay(other.time)
        }
        let column: Markup = since.map { "<th scope=\"col\">\($0)</th>" } ?? (place.showsDeleted ? "<th></th>" : "")
        return """
            <table class="stack"><thead><tr><th scope="col">Name</th><th scope="col" class="number">Size</th>\
            <th scope="col">Modified</th>\(column)</tr></thead><tbody>\(rows)</tbody></table>\(pager(page))
            """
    }

    private func pager(_ page: FolderPage) -> Markup {
        guard after != nil || page.next != nil else { return Markup() }
        let first: Markup? = after.map { _ in "<a class=\"button\" href=\"\(place.folder(prefix))\">◀ Beginning</a>" }
        let next: Markup? = page.next.map {
            "<a class=\"button\" rel=\"next\" href=\"\(place.folder(prefix, after: $0))\">More ▶</a>"
        }
        return "<nav class=\"more\" aria-label=\"Pages\">\(first)\(next)</nav>"
    }

    private func row(_ item: FolderItem) throws -> Markup {
        let key = prefix + item.name
        let isGone = !item.isShown
        let change = item.isFolder && (item.isShown || item.isShownByOther) ? try context.change(below: key) : nil
        let link = item.isFolder ? place.folder(key) : place.key(key)
        let size: Markup
        let date: Markup
        if item.isFolder {
            let sum = change.map(context.sum)
            size = isGone ? "" : sum.map { "\(PageText.size($0.bytes))" } ?? "<span class=\"hush\">…</span>"
            date = isGone ? "" : sum.map { "\(PageText.count($0.keys, "key"))" } ?? ""
        } else {
            let identity = item.identity ?? item.other ?? item.former
            size = identity.map { "\(PageText.size($0.size))" } ?? ""
            date =
                identity.map { identity in
                    let time = identity.lastModified
                    return "<time datetime=\"\(time.rfc3339)\">\(PageText.shortDay(time))</time>"
                } ?? ""
        }
        let last: Markup = context.other != nil || place.showsDeleted ? "<td>\(status(item, change))</td>" : ""
        return """
            <tr data-name="\(item.name)"\(isGone ? " class=\"gone\"" as Markup : "")><td class="name">\
            \(item.isFolder ? Drawing.folder : Drawing.file)<a href="\(link)">\(PageText.shown(item.name))</a></td>\
            <td class="number">\(size)</td><td class="when">\(date)</td>\(last)</tr>
            """
    }

    /// What has become of it.
    private func status(_ item: FolderItem, _ change: FolderChange?) -> Markup {
        if let (old, _) = context.ordered {
            let isLater = old == context.view
            let (before, now) = isLater ? (item.isShown, item.isShownByOther) : (item.isShownByOther, item.isShown)
            if item.isFolder, before || now {
                guard let change else { return "<span class=\"hush\">…</span>" }
                if change.count > 0 { return Chips.counts(change) }
            } else if !before, now {
                return "<span class=\"chip plus\">added</span>"
            } else if before, !now {
                return "<span class=\"chip minus\">deleted\(deletedAt(item))</span>"
            } else if item.identity != item.other {
                return "<span class=\"chip change\">changed</span>"
            }
        }
        guard !item.isShown else { return Markup() }
        if item.isShownByOther { return Markup() }
        return "<span class=\"chip minus\">deleted\(deletedAt(item))</span>"
    }

    private func deletedAt(_ item: FolderItem) -> String {
        item.deletedAt.map { " on \(PageText.shortDay($0))" } ?? ""
    }

    // MARK: Around it

    private func changed(_ change: FolderChange) -> Markup {
        guard let (old, new) = context.ordered, change.count > 0 else { return Markup() }
        let bytes = change.new.bytes.addingClamped(-change.old.bytes)
        return """
            <p class="notice">Between \(PageText.day(old.time)) and \(PageText.day(new.time)): \(Chips.counts(change)) \
            \(bytes < 0 ? "−" : "+") \(PageText.size(abs(bytes))) in all. \
            <a href="\(place.changes(prefix))">See the changes as a tree</a></p>
            """
    }

    private func nothing() throws -> Markup {
        guard try context.reader.knowsFolder(prefix) else {
            return """
                <div class="empty"><strong>There is no such folder, and never was.</strong>\
                <a href="\(place.search([]))">Search all keys</a></div>
                """
        }
        let hint: Markup =
            place.showsDeleted
            ? "Move the date to when it had something."
            : "<a href=\"\(place.withDeleted(true).folder(prefix))\">Show what was deleted</a>, or move the date."
        return """
            <div class="empty"><strong>Nothing was here on \(PageText.day(context.view.time)).</strong>\(hint)</div>
            """
    }

    private var take: Markup {
        let at = place.at ?? "latest"
        let prefix = PageText.quoted(self.prefix)
        let date = PageText.quoted(Array(at.utf8))
        return Take(lines: [
            ("Mount it", "icecore mount DIRECTORY --at \(date)"),
            ("Copy it", "icecore export DIRECTORY --at \(date)" + (self.prefix.isEmpty ? "" : " --prefix \(prefix)")),
            ("With S3", address.s3(self.prefix, at: place.at)),
        ]).markup()
    }
}
