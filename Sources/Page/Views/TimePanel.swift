import Basics
import Index
import Model
import Survey

/// The panel at the top of a page: the date that is shown, the time line, and the ways to another date.
struct TimePanel {
    let range: TimeRange
    let view: View
    let other: View?
    let place: PagePlace
    let subject: PageSubject
    /// How the folder grew; nil if that is not known (yet).
    let history: FolderHistory?

    private static let mostTicks = 400
    private static let mostChoices = 120

    func markup() -> Markup {
        """
        <section class="time" aria-label="Date">
        <div class="moment"><h1><span id="moment">\(title)</span></h1>\(kind)\(steps)</div>
        \(rail)
        \(dates)
        </section>
        """
    }

    private var isLatest: Bool { place.at == nil }

    private var title: String { "\(PageText.day(view.time)), \(PageText.hour(view.time))" }

    private var kind: Markup {
        let text: String
        switch view.kind {
        case .snapshot: text = isLatest ? "latest snapshot" : "snapshot"
        case .instant: text = "instant"
        }
        return "<span class=\"chip\" id=\"kind\">\(text)</span>"
    }

    // MARK: Steps

    /// Where ◀ and ▶ lead: to the next change of this folder if all are known, else to the next snapshot.
    private var neighbours: (back: String?, on: String?, noun: String) {
        let now = view.time
        if let changes = history?.changes {
            // Whole seconds, as dates in addresses have: those that a change falls into are rounded up.
            let times = Set(changes.map { ($0.milliseconds + 999) / 1000 * 1000 }).sorted()
                .map { Timestamp(milliseconds: $0) }.filter { $0 >= range.horizon && $0 <= range.last }
            let on = times.first { $0 > now }
            return (
                // From the midst of a time without changes back to where it began.
                times.last { $0 < now }.map(\.rfc3339),
                on.map(\.rfc3339) ?? (isLatest ? nil : "latest"), "change"
            )
        }
        let points = range.stops
        let on = points.first { $0.takenAt > now }
        let next = on == points.last ? on.map { _ in "latest" } : on?.name
        return (points.last { $0.takenAt < now }?.name, next, "snapshot")
    }

    private var steps: Markup {
        let (back, on, noun) = neighbours
        func step(_ at: String?, _ label: Markup, _ which: String, _ words: String) -> Markup {
            guard let at else {
                return "<a class=\"button\" aria-disabled=\"true\" aria-label=\"\(words)\">\(label)</a>"
            }
            let link = subject.link(place.moved(to: at == "latest" ? nil : at))
            return """
                <a class="button" data-step="\(which)" rel="nofollow" href="\(link)" title="\(words)">\(label)</a>
                """
        }
        let latest: Markup? =
            isLatest ? nil : "<a class=\"button\" href=\"\(subject.link(place.moved(to: nil)))\">Latest</a>"
        return """
            <nav class="steps" id="steps" aria-label="Steps in time">\
            \(step(back, "◀ <span>\(noun)</span>", "back", "The \(noun) before"))\
            \(step(on, "<span>\(noun)</span> ▶", "on", "The next \(noun)"))\(latest)</nav>
            """
    }

    // MARK: The time line

    private var rail: Markup {
        let stops = range.stops.suffix(2000)
            .map { "\($0.takenAt.milliseconds / 1000)=\($0.name)" }.joined(separator: " ")
        let home: Markup? = place.home.map { " data-home=\"\($0)\"" }
        func seconds(_ time: Timestamp) -> Int64 { time.milliseconds / 1000 }
        let now = Drawing.coordinate(range.place(view.time))
        var drawing = Markup()
        for label in range.labels() {
            let x = Drawing.coordinate(label.place)
            drawing += """
                <line class="grid" x1="\(x)%" x2="\(x)%" y1="0.35rem" y2="4.35rem"/>\
                <text class="label" x="\(x)%" y="6.05rem" text-anchor="middle">\(label.text)</text>
                """
        }
        drawing += "<line class=\"base\" x1=\"0\" x2=\"100%\" y1=\"4.35rem\" y2=\"4.35rem\"/>"
        for change in (history?.changes ?? []).suffix(TimePanel.mostTicks) {
            let x = Drawing.coordinate(range.place(change))
            drawing += "<circle class=\"dot\" cx=\"\(x)%\" cy=\"4.35rem\" r=\"2.4\"/>"
        }
        drawing += ticks
        if let other {
            let x = Drawing.coordinate(range.place(other.time))
            drawing += "<line class=\"compared\" x1=\"\(x)%\" x2=\"\(x)%\" y1=\"0\" y2=\"4.35rem\"/>"
        }
        drawing += """
            <line class="now" x1="\(now)%" x2="\(now)%" y1="0" y2="4.35rem"/>\
            <circle class="knob" cx="\(now)%" cy="4.35rem" r="9"/>
            """
        return """
            <div class="rail" data-first="\(seconds(range.first))" data-last="\(seconds(range.last))" \
            data-horizon="\(seconds(range.horizon))" data-now="\(seconds(view.time))" data-stops="\(stops)"\(home)>\
            <div class="drawing">\(shape)<svg role="group" aria-label="Snapshots">\(drawing)</svg></div></div>
            """
    }

    private var shape: Markup {
        guard let history, history.isComplete else { return Markup() }
        return Drawing.area(
            history.points.map { (range.place($0.time), Double($0.sum.bytes)) },
            history.points.map { (range.place($0.time), Double($0.sum.keys)) })
    }

    /// A link for each snapshot; of very many, some.
    private var ticks: Markup {
        let stops = range.stops
        let stride = max(1, stops.count / TimePanel.mostTicks)
        var markup = Markup()
        for (number, stop) in stops.enumerated() where number % stride == 0 || number == stops.count - 1 {
            let x = Drawing.coordinate(range.place(stop.takenAt))
            let link = subject.link(place.moved(to: stop == stops.last ? nil : stop.name))
            // A thousand tab stops would be in the way of everybody: ◀ and ▶ step through them as well.
            markup += """
                <a href="\(link)" tabindex="-1"><title>Snapshot \(stop.name)</title>\
                <line class="tick" x1="\(x)%" x2="\(x)%" y1="3.75rem" y2="4.95rem"/>\
                <rect class="hit" x="\(x)%" y="3.4rem" width="9" height="2rem" transform="translate(-4.5)"/></a>
                """
        }
        return markup
    }

    // MARK: Other dates

    private var dates: Markup {
        """
        <div class="dates" id="dates">\(jump)\(compare)\(deleted)</div>
        """
    }

    private func hidden(_ name: String, _ value: [UInt8]?) -> Markup {
        guard let value else { return Markup() }
        return "<input type=\"hidden\" name=\"\(name)\" value=\"\(value)\">"
    }

    private func hidden(_ name: String, _ value: String?) -> Markup { hidden(name, value.map { Array($0.utf8) }) }

    private var subjectField: Markup {
        if case .key(let key) = subject { return hidden("key", key) }
        return subject.path.isEmpty ? Markup() : hidden("prefix", subject.path)
    }

    private var jump: Markup {
        """
        <form action="/-/\(subject.route)" method="get">\(subjectField)\(hidden("with", place.with))\
        \(hidden("deleted", place.showsDeleted ? "1" : nil))\
        <label>Go to <input type="date" name="at" required min="\(PageText.date(range.first))" \
        max="\(PageText.date(range.last))" value="\(PageText.date(view.time))" data-submits> \
        <button class="plain-only">Go</button></label></form>
        """
    }

    private var compare: Markup {
        var choices: Markup = "<option value=\"\">nothing</option>"
        let day: Int64 = 86_400_000
        var offered: Set<String> = []
        func offer(_ value: String, _ text: String) {
            guard offered.insert(value).inserted else { return }
            choices += "<option value=\"\(value)\"\(value == place.with ? " selected" as Markup : "")>\(text)</option>"
        }
        if let with = place.with { offer(with, other.map { PageText.day($0.time) } ?? with) }
        let spans: [(Int64, String)] = [
            (1, "a day before"), (7, "a week before"), (30, "a month before"), (91, "three months before"),
            (365, "a year before"),
        ]
        for (days, text) in spans {
            let time = Timestamp(milliseconds: (view.time.milliseconds - days * day) / 1000 * 1000)
            if time >= range.horizon { offer(time.rfc3339, "\(text) (\(PageText.shortDay(time)))") }
        }
        let points = range.stops
        let stride = max(1, points.count / TimePanel.mostChoices)
        for (number, stop) in points.enumerated().reversed()
        where number % stride == 0 && stop.takenAt != view.time {
            offer(stop.name, "snapshot of \(PageText.shortDay(stop.takenAt)), \(PageText.hour(stop.takenAt))")
        }
        if range.horizon < view.time {
            offer(range.horizon.rfc3339, "the beginning (\(PageText.shortDay(range.horizon)))")
        }
        if !isLatest { offer("latest", "latest") }
        return """
            <form action="/-/\(subject.route)" method="get">\(subjectField)\(hidden("at", place.named))\
            \(hidden("deleted", place.showsDeleted ? "1" : nil))\
            <label>Compare with <select name="with" data-submits>\(choices)</select> \
            <button class="plain-only">Compare</button></label></form>
            """
    }

    /// The switch "show deleted"; only where there is a listing.
    private var deleted: Markup {
        guard case .folder = subject else { return Markup() }
        let link = subject.link(place.withDeleted(!place.showsDeleted))
        return """
            <form class="last" action="/-/" method="get">\(subjectField)\(hidden("at", place.named))\
            \(hidden("with", place.with))<label class="toggle"><input type="checkbox" name="deleted" value="1" \
            data-submits\(place.showsDeleted ? " checked" as Markup : "")> Show deleted</label> \
            <a class="plain-only" href="\(link)">\(place.showsDeleted ? "hide" : "show")</a></form>
            """
    }
}
