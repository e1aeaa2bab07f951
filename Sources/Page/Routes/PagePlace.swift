import Basics
import Index
import Model

/// What stays the same from link to link: the date, what it is compared with, and whether deleted keys are shown.
struct PagePlace {
    /// As it was asked for; nil: latest.
    var at: String?
    /// What an address without a date shows; nil: the latest date.
    let home: String?
    var with: String?
    var showsDeleted: Bool

    init(_ query: PageQuery, home: String?) {
        self.home = home
        at = (query.text("at") ?? home).flatMap { $0 == "latest" ? nil : $0 }
        with = query.text("with")
        showsDeleted = query.flag("deleted")
    }

    /// The date as addresses and forms have it; nil: it need not be said.
    var named: String? { at ?? (home == nil ? nil : "latest") }

    private func add(to link: PageLink) -> PageLink {
        link.with("at", named).with("with", with).with("deleted", showsDeleted ? "1" : nil)
    }

    /// The page of a folder, of which the prefix is given.
    func folder(_ prefix: [UInt8], after name: [UInt8]? = nil) -> PageLink {
        add(to: PageLink("").with("prefix", prefix.isEmpty ? nil : prefix)).with("after", name)
    }

    func key(_ key: [UInt8]) -> PageLink { add(to: PageLink("key").with("key", key)) }

    func pictures(_ prefix: [UInt8]) -> PageLink {
        add(to: PageLink("pictures").with("prefix", prefix.isEmpty ? nil : prefix))
    }

    func changes(_ prefix: [UInt8]) -> PageLink {
        add(to: PageLink("changes").with("prefix", prefix.isEmpty ? nil : prefix))
    }

    func search(_ prefix: [UInt8]) -> PageLink {
        add(to: PageLink("search").with("prefix", prefix.isEmpty ? nil : prefix))
    }

    /// The same at another date.
    func moved(to at: String?) -> PagePlace {
        var place = self
        place.at = at
        return place
    }

    /// The same, compared with another date.
    func compared(with other: String?) -> PagePlace {
        var place = self
        place.with = other
        return place
    }

    /// The same with deleted keys, or without.
    func withDeleted(_ shows: Bool) -> PagePlace {
        var place = self
        place.showsDeleted = shows
        return place
    }
}

/// The part of the page that one looks at.
enum PageSubject {
    case folder([UInt8])
    case key([UInt8])
    case pictures([UInt8])
    case changes([UInt8])
    case search([UInt8])

    /// What it is about: a key, or the prefix of a folder.
    var path: [UInt8] {
        switch self {
        case .folder(let path), .key(let path), .pictures(let path), .changes(let path), .search(let path): path
        }
    }

    /// The prefix of the folder that it is, or is in.
    var prefix: [UInt8] {
        guard case .key(let key) = self else { return path }
        return Array(Key.split(key).directory)
    }

    /// The same subject elsewhere.
    func link(_ place: PagePlace) -> PageLink {
        switch self {
        case .folder(let prefix): place.folder(prefix)
        case .key(let key): place.key(key)
        case .pictures(let prefix): place.pictures(prefix)
        case .changes(let prefix): place.changes(prefix)
        case .search(let prefix): place.search(prefix)
        }
    }

    /// What follows `/-/` there.
    var route: String {
        switch self {
        case .folder: ""
        case .key: "key"
        case .pictures: "pictures"
        case .changes: "changes"
        case .search: "search"
        }
    }
}
