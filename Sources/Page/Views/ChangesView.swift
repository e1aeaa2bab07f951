import Basics
import Index
import Model
import Survey

/// What differs between two dates, as a tree with counts and bytes for each folder.
struct ChangesView {
    private static let depth = 3
    private static let nodes = 600

    let context: PageContext
    let prefix: [UInt8]

    private var place: PagePlace { context.place }

    func markup() throws -> Markup {
        let head: Markup = """
            \(Crumbs(place: place, path: prefix).markup())\(Tabs(place: place, subject: .changes(prefix)).markup())
            """
        guard let (old, new) = context.ordered else {
            return """
                \(head)<section class="card"><div class="empty"><strong>Two dates make a comparison.</strong>\
                Choose what to compare with above.\(offer)</div></section>
                """
        }
        let (folder, isComplete) = try context.reader.changes(
            below: prefix, from: old, to: new, depth: ChangesView.depth, nodes: ChangesView.nodes,
            limit: context.patience)
        let notice: Markup? =
            isComplete
            ? nil
            : "<p class=\"notice\">There was no time to compare everything: what follows is not all. Go into a folder, "
                + "or ask <span class=\"mono\">icecore diff</span>.</p>"
        let tree: Markup =
            folder.change.count == 0
            ? "<div class=\"empty\"><strong>Nothing differs.</strong>The folder is the same on both dates.</div>"
            : "<ul class=\"tree\">\(content(folder, level: 0))</ul>"
        return """
            \(head)<section class="card padded">\(totals(folder.change, old, new))</section>\
            <section class="card" aria-label="Changes">\(notice)\(tree)</section>
            """
    }

    private var offer: Markup? {
        guard let stop = context.range.stops.last(where: { $0.takenAt < context.view.time }) else {
            guard context.range.horizon < context.view.time else { return nil }
            let first = context.range.horizon
            return """
                 Or <a href="\(place.compared(with: first.rfc3339).changes(prefix))">with the beginning, \
                \(PageText.day(first))</a>.
                """
        }
        return """
             Or <a href="\(place.compared(with: stop.name).changes(prefix))">with the snapshot before, \
            \(PageText.day(stop.takenAt))</a>.
            """
    }

    private func totals(_ change: FolderChange, _ old: View, _ new: View) -> Markup {
        func fact(_ name: String, _ sum: FolderSum, _ sign: String) -> Markup {
            """
            <div><dt>\(name)</dt><dd>\(sum.keys > 0 ? sign : "")\(PageText.number(sum.keys)) \
            <small class="hush">\(PageText.size(sum.bytes))</small></dd></div>
            """
        }
        return """
            <dl class="facts"><div><dt>From</dt><dd>\(PageText.day(old.time))</dd></div>\
            <div><dt>To</dt><dd>\(PageText.day(new.time))</dd></div>\(fact("Added", change.added, "+"))\
            \(fact("Removed", change.removed, "−"))\(fact("Changed", change.modified, ""))\
            <div><dt>Size</dt><dd>\(PageText.size(change.old.bytes)) → \(PageText.size(change.new.bytes))</dd></div></dl>
            """
    }

    /// What is in a folder: its folders and keys in byte order.
    private func content(_ folder: ChangedFolder, level: Int) -> Markup {
        var lines: [(name: [UInt8], line: Markup)] = []
        for inner in folder.folders {
            lines.append((inner.prefix, self.folder(inner, Array(inner.prefix.dropFirst(folder.prefix.count)), level)))
        }
        for key in folder.keys { lines.append((key.key, self.key(key, Array(key.key.dropFirst(folder.prefix.count))))) }
        lines.sort { $0.name.lexicographicallyPrecedes($1.name) }
        // Whatever is not told apart is said to be there.
        let told = folder.folders.reduce(Int64(folder.keys.count)) { $0.addingClamped($1.change.count) }
        let rest = folder.change.count - told
        if rest > 0 {
            let link = place.changes(folder.prefix)
            let text = "\(PageText.count(rest, "more change"))"
            lines.append(([0xff], "<li class=\"leaf hush\">and \(text): <a href=\"\(link)\">go in</a></li>"))
        }
        return Markup(lines.map(\.line))
    }

    private func folder(_ folder: ChangedFolder, _ name: [UInt8], _ level: Int) -> Markup {
        let bytes = folder.change.new.bytes.addingClamped(-folder.change.old.bytes)
        let line: Markup = """
            <span class="what"><a href="\(place.changes(folder.prefix))">\(PageText.shown(name))</a></span>\
            <span class="counts">\(Chips.counts(folder.change))</span>\
            <span class="number hush">\(bytes < 0 ? "−" : "+") \(PageText.size(abs(bytes)))</span>
            """
        guard !folder.keys.isEmpty || !folder.folders.isEmpty else { return "<li class=\"leaf\">\(line)</li>" }
        return """
            <li><details\(level == 0 ? " open" as Markup : "")><summary>\(line)</summary>\
            <ul class="tree">\(content(folder, level: level + 1))</ul></details></li>
            """
    }

    private func key(_ difference: Difference, _ name: [UInt8]) -> Markup {
        let chip: Markup
        switch difference.change {
        case .added: chip = "<span class=\"chip plus\">added</span>"
        case .removed: chip = "<span class=\"chip minus\">removed</span>"
        case .modified: chip = "<span class=\"chip change\">changed</span>"
        }
        let sizes = [difference.from, difference.to].compactMap { $0.map { PageText.size($0.size) } }
        let text: Markup? = difference.change == .modified ? compare(difference) : nil
        return """
            <li class="leaf"><span class="what"><a href="\(place.key(difference.key))">\(PageText.shown(name))</a></span>\
            \(chip)\(text)<span class="number hush">\(sizes.joined(separator: " → "))</span></li>
            """
    }

    private func compare(_ difference: Difference) -> Markup {
        let link = PageLink("text").with("key", difference.key).with("from", difference.from?.versionId)
            .with("to", difference.to?.versionId).with("at", place.named)
        return "<a href=\"\(link)\">what changed</a>"
    }
}
