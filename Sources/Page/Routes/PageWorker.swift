import Basics
import Index
import Model
import Serving
import Survey
import Web

/// Answers requests for the page on one thread.
final class PageWorker: WebWorker {
    /// How long the scans of one answer may take, in milliseconds: of a page, of one while the slider moves, and of one that
    /// is asked for on purpose.
    private static let patience: Int64 = 500
    private static let quickPatience: Int64 = 60
    private static let longPatience: Int64 = 8000
    /// How long the picture behind the slider may take.
    private static let railPatience: Int64 = 200

    private let reader: ServedReader
    private let cache: SurveyCache
    private let scheme: String

    init(_ reader: ServedReader, _ cache: SurveyCache, scheme: String) {
        self.reader = reader
        self.cache = cache
        self.scheme = scheme
    }

    func answer(_ request: WebRequest) -> WebResponse {
        guard request.method == "GET" || request.method == "HEAD" else {
            return PageAnswer.text(405, "this page is read-only", headers: [("Allow", "GET, HEAD")])
        }
        if request.path.elementsEqual("/-".utf8) { return WebResponse(status: 301, headers: [("Location", "/-/")]) }
        guard request.path.starts(with: PageService.prefix), request.path.count < 256 else {
            return PageAnswer.text(404, "there is no such page")
        }
        let route = String(decoding: request.path.dropFirst(PageService.prefix.count), as: UTF8.self)
        if route.hasPrefix("assets/") { return PageAssets.answer(String(route.dropFirst(7)), request) }
        let query = PageQuery(request.query)
        do {
            return try reader.withState { state in try answer(route, query, request, state) }
        } catch let error as IcecoreError where error.code == .notFound || error.code == .usage {
            // These sentences are about what was asked for; others may name files of this machine.
            return failed(route, error.code == .usage ? 400 : 404, error.message)
        } catch {
            return failed(route, 500, "Something went wrong on the server.")
        }
    }

    private func failed(_ route: String, _ status: Int, _ message: String) -> WebResponse {
        if route.hasPrefix("api/") { return PageAnswer.json(status, PageError(error: message)) }
        let sentence = message.prefix(1).uppercased() + message.dropFirst() + (message.hasSuffix(".") ? "" : ".")
        let frame = Frame(bucket: reader.served.name, place: nil, title: "Icecore")
        let headline = status == 500 ? "That did not work." : "There is nothing to see here."
        return PageAnswer.html(status, frame.message(headline, sentence))
    }

    // MARK: - Routes

    private func answer(
        _ route: String, _ query: PageQuery, _ request: WebRequest, _ state: ServedReader
    ) throws -> WebResponse {
        let contents = PageContents(state)
        switch route {
        case "raw": return try RawAnswer(query, contents).answer(request)
        case "preview": return try RawAnswer(query, contents).preview()
        default: break
        }
        guard let range = try TimeRange(state.index) else {
            throw IcecoreError(.notFound, "the store has no snapshot yet: the first 'icecore sync' makes one")
        }
        let context = try context(route, query, range, state.index)
        if route.hasPrefix("api/") {
            return try PageAPI(context: context, query: query).answer(String(route.dropFirst(4)))
        }
        return try page(route, query, request, context, contents)
    }

    private func context(
        _ route: String, _ query: PageQuery, _ range: TimeRange, _ index: IndexReader
    ) throws -> PageContext {
        var place = PagePlace(query, home: reader.served.home)
        let view = try PageWorker.view(place.at, range, index)
        // An empty choice is none.
        let other = try place.with.map { try PageWorker.view($0, range, index) }
        if view.isOther { place.at = view.view.snapshotId == index.timeline.newest?.id ? nil : view.view.name }
        let isQuick = query.text("part") == "quick"
        let isLong =
            ["changes", "pictures", "search"].contains(route) || route.hasPrefix("api/") || query.flag("long")
        return PageContext(
            bucket: reader.served.name, reader: index, cache: cache, range: range, place: place, view: view.view,
            other: other?.view, knowledge: PageContext.knowledge(of: index.timeline),
            patience: .milliseconds(
                isQuick ? PageWorker.quickPatience : isLong ? PageWorker.longPatience : PageWorker.patience))
    }

    /// The view of a WHEN; of one that is out of range, the nearest that there is.
    private static func view(
        _ text: String?, _ range: TimeRange, _ index: IndexReader
    ) throws -> (view: View, isOther: Bool) {
        let when = try text.map { text throws(IcecoreError) in try When(text) } ?? .latest
        do throws(IcecoreError) {
            return (try index.view(when), false)
        } catch {
            guard error.code == .notFound, let newest = index.timeline.newest else { throw error }
            if case .inventory = when { throw error }
            let time = try when.time(in: index.timeline)
            if time > newest.takenAt { return (View(snapshot: newest, timeline: index.timeline), true) }
            if let stop = range.stops.last(where: { $0.takenAt <= time }), time < range.horizon {
                return (View(snapshot: stop, timeline: index.timeline), true)
            }
            if let first = range.stops.first, first.takenAt < range.horizon {
                return (View(snapshot: first, timeline: index.timeline), true)
            }
            return (View(instant: range.horizon), true)
        }
    }

    // MARK: - Pages

    private func page(
        _ route: String, _ query: PageQuery, _ request: WebRequest, _ context: PageContext, _ contents: PageContents
    ) throws -> WebResponse {
        let prefix = PageWorker.folder(query.bytes("prefix") ?? [])
        let key = query.bytes("key") ?? []
        let address = PageAddress(
            endpoint: endpoint(request), bucket: context.bucket, hasLatest: reader.served.home == nil)
        let subject: PageSubject
        let content: Markup
        switch route {
        case "":
            subject = .folder(prefix)
            content = try FolderView(
                context: context, prefix: prefix, after: query.bytes("after"), address: address
            ).markup()
        case "key":
            subject = .key(key)
            content = try KeyView(
                context: context, key: key, versionId: query.bytes("version"), address: address
            ).markup()
        case "text":
            subject = .key(key)
            content = try text(key, query, context, contents)
        case "changes":
            subject = .changes(prefix)
            content = try ChangesView(context: context, prefix: prefix).markup()
        case "pictures":
            subject = .pictures(prefix)
            content = try PicturesView(context: context, prefix: prefix).markup()
        case "search":
            subject = .search(prefix)
            content = try SearchView(
                context: context, prefix: prefix, text: query.bytes("q"),
                scope: query.text("scope").flatMap(SearchView.SearchScope.init) ?? .here, larger: query.text("larger")
            ).markup()
        default:
            return PageAnswer.html(
                404,
                Frame(bucket: context.bucket, place: nil, title: "Icecore")
                    .message("There is no such page.", "Its address may be misspelt."))
        }
        if query.text("part") != nil { return PageAnswer.html(200, content) }
        let history = try context.rail(below: subject.prefix, limit: .milliseconds(PageWorker.railPatience))
        let panel = TimePanel(
            range: context.range, view: context.view, other: context.other, place: context.place, subject: subject,
            history: history)
        let name = subject.path.isEmpty ? context.bucket : PageText.shown(PageText.lastComponent(subject.path))
        let frame = Frame(
            bucket: context.bucket, place: context.place, title: "\(name) · \(PageText.day(context.view.time))")
        return PageAnswer.html(200, frame.document(panel.markup(), content))
    }

    private func text(
        _ key: [UInt8], _ query: PageQuery, _ context: PageContext, _ contents: PageContents
    ) throws -> Markup {
        let versions = try context.reader.versions(ofKey: key)?.versions.filter { !$0.identity.isMarker } ?? []
        func version(_ name: String) -> KeyVersions.Entry? {
            let id = query.bytes(name)
            return versions.first { $0.identity.versionId == id }
        }
        guard let old = version("from"), let new = version("to") else {
            throw IcecoreError(.notFound, "the key has no such versions")
        }
        return try TextView(context: context, key: key, old: old, new: new, contents: contents).markup()
    }

    /// The prefix of a folder, whatever was typed: it ends with `/`.
    private static func folder(_ prefix: [UInt8]) -> [UInt8] {
        prefix.isEmpty || prefix.last == UInt8(ascii: "/") ? prefix : prefix + [UInt8(ascii: "/")]
    }

    /// This server, as the client calls it.
    private func endpoint(_ request: WebRequest) -> String {
        let host = request.header("Host") ?? ""
        let isPlain =
            !host.isEmpty && host.utf8.count < 256
            && host.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: ":"),
                    UInt8(ascii: "["), UInt8(ascii: "]"):
                    true
                default: false
                }
            }
        return "\(scheme)://\(isPlain ? host : "HOST:PORT")"
    }
}
