import Basics
import Index
import Model
import Survey

/// Pictures of a folder: how it grew, what came and went, and which folders in it are the largest.
struct PicturesView {
    private static let bars = 48
    private static let largest = 15
    private static let mostSnapshots = 100

    let context: PageContext
    let prefix: [UInt8]

    private var place: PagePlace { context.place }

    func markup() throws -> Markup {
        let history = try context.history(below: prefix, limit: context.patience)
        let sums = try context.sums(below: prefix)
        return """
            \(Crumbs(place: place, path: prefix).markup(Crumbs.sum(sums?.last?.sum)))\
            \(Tabs(place: place, subject: .pictures(prefix)).markup())\
            \(history.map(growth) ?? late("how the folder grew"))\
            \(sums.map(folders) ?? late("how large the folders are"))\(prefix.isEmpty ? try snapshots() : nil)
            """
    }

    private func late(_ what: String) -> Markup {
        """
        <section class="card"><div class="empty"><strong>There was no time to find out \(what).</strong>\
        The folder is large. Load the page again to go on, or look into a smaller folder.</div></section>
        """
    }

    // MARK: Over time

    private func growth(_ history: FolderHistory) -> Markup {
        let points = history.points
        let bytes = points.map { (context.range.place($0.time), Double($0.sum.bytes)) }
        let keys = points.map { (context.range.place($0.time), Double($0.sum.keys)) }
        let (mostBytes, mostKeys) = (points.map(\.sum.bytes).max() ?? 0, points.map(\.sum.keys).max() ?? 0)
        return """
            <div class="pair"><section class="card"><h2>Bytes over time</h2>\
            \(chart(Drawing.area(bytes), top: PageText.size(mostBytes), "Bytes over time, at most \(PageText.size(mostBytes))"))\
            </section><section class="card"><h2>Keys over time</h2>\
            \(chart(Drawing.area(keys), top: PageText.number(mostKeys), "Keys over time, at most \(PageText.number(mostKeys))"))\
            </section></div>\
            <section class="card"><h2>What came, and what went</h2>\(comings(points))</section>
            """
    }

    private func axis() -> Markup {
        Markup(
            context.range.labels().map { label in
                let x = Drawing.coordinate(label.place)
                return """
                    <line class="grid" x1="\(x)%" x2="\(x)%" y1="0" y2="88%"/>\
                    <text class="label" x="\(x)%" y="99%" text-anchor="middle">\(label.text)</text>
                    """
            })
    }

    private func chart(_ shape: Markup, top: String, _ words: String) -> Markup {
        """
        <div class="chart"><svg role="img" aria-label="\(words)">\(axis())\
        <svg width="100%" height="88%">\(shape)</svg><line class="base" x1="0" x2="100%" y1="88%" y2="88%"/>\
        <text class="label top" x="0" y="0.3rem" dominant-baseline="hanging">\(top)</text></svg></div>
        """
    }

    /// Versions that arrived, as bars upwards, and those that left, downwards: each bar is a stretch of time.
    private func comings(_ points: [FolderHistory.GrowthPoint]) -> Markup {
        let width = max(1, (points.count + PicturesView.bars - 1) / PicturesView.bars)
        var bars: [(arrived: FolderSum, left: FolderSum, from: Timestamp, to: Timestamp)] = []
        for start in stride(from: 0, to: points.count, by: width) {
            let some = points[start..<min(points.count, start + width)]
            guard let first = some.first, let last = some.last else { continue }
            var (arrived, left) = (FolderSum(), FolderSum())
            for point in some {
                arrived.add(point.arrived)
                left.add(point.left)
            }
            bars.append((arrived, left, first.time, last.time))
        }
        let most = Double(max(1, bars.map { max($0.arrived.keys, $0.left.keys) }.max() ?? 1))
        let step = 100 / Double(max(1, bars.count))
        var markup = axis()
        for (number, bar) in bars.enumerated() {
            let x = Drawing.coordinate(Double(number) * step + step * 0.12)
            let w = Drawing.coordinate(step * 0.76)
            let (up, down) = (42 * Double(bar.arrived.keys) / most, 42 * Double(bar.left.keys) / most)
            let title =
                "Until \(PageText.day(bar.to)): \(PageText.count(bar.arrived.keys, "version")) came "
                + "(\(PageText.size(bar.arrived.bytes))), \(PageText.number(bar.left.keys)) went (\(PageText.size(bar.left.bytes)))"
            markup += """
                <g><title>\(title)</title>\
                <rect class="plus" x="\(x)%" y="\(Drawing.coordinate(44 - up))%" width="\(w)%" height="\(Drawing.coordinate(up))%" rx="1.5"/>\
                <rect class="minus" x="\(x)%" y="44%" width="\(w)%" height="\(Drawing.coordinate(down))%" rx="1.5"/></g>
                """
        }
        let tallest = PageText.number(Int64(most))
        let words = "Versions that came, upwards, and went, downwards; the tallest bar is \(tallest)"
        return """
            <div class="chart"><svg role="img" aria-label="\(words)">\(markup)\
            <line class="base" x1="0" x2="100%" y1="44%" y2="44%"/></svg></div>
            """
    }

    // MARK: At the date

    private func folders(_ sums: [(name: [UInt8], sum: FolderSum)]) -> Markup {
        let largest = sums.dropLast().prefix(PicturesView.largest)
        guard let most = largest.first?.sum.bytes, most > 0 else { return Markup() }
        let bars = largest.map { folder -> Markup in
            let name = Array(folder.name.dropFirst(prefix.count))
            return """
                <a href="\(place.pictures(folder.name))"><span class="what">\(PageText.shown(name))</span>\
                \(Drawing.bar(100 * Double(folder.sum.bytes) / Double(most)))\
                <span class="number">\(PageText.size(folder.sum.bytes)), \(PageText.count(folder.sum.keys, "key"))</span></a>
                """
        }
        return """
            <section class="card"><h2>The largest folders on \(PageText.day(context.view.time))</h2>\
            <div class="bars">\(bars)</div></section>
            """
    }

    private func snapshots() throws -> Markup {
        let records = try context.reader.snapshotRecords()
        let kept = Set(context.range.stops.map(\.id))
        let shown = records.filter { kept.contains($0.id) }.suffix(PicturesView.mostSnapshots).reversed()
        let rows = shown.map { record -> Markup in
            """
            <tr><td class="name"><a href="\(place.moved(to: record.name).folder([]))">\(record.name)</a></td>\
            <td class="when">\(PageText.day(record.takenAt))</td><td class="number">\(PageText.count(record.keys, "key"))</td>\
            <td class="number">\(PageText.size(record.bytes))</td></tr>
            """
        }
        return """
            <section class="card"><h2>Snapshots</h2><table class="stack"><thead><tr><th scope="col">Name</th>\
            <th scope="col">Taken</th><th scope="col" class="number">Keys</th><th scope="col" class="number">Bytes</th></tr>\
            </thead><tbody>\(Array(rows))</tbody></table></section>
            """
    }
}
