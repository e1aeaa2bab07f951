import ReferenceModel

/// Something that is done with the store of a history, or asked of it.
enum HistoryAct {
    /// An inventory, by its name.
    case sync(String)
    case syncAgain(String)
    /// After a rehearsal that must say the same and change nothing.
    case prune(KeepRules)
    /// Makes the index again, from an old one that is an index or is none any more.
    case reindex(isGone: Bool)
    case verify
    case ask(Question)

    /// Where `when` is nil, it is left out, which means latest.
    enum Question {
        case snapshots
        case versions(ByteString)
        /// The versions of a key that was never listed.
        case unknown(ByteString)
        case recursive(when: String?, prefix: ByteString = "")
        case oneLevel(when: String?, prefix: ByteString)
        case sums(when: String?, prefix: ByteString, depth: Int?)
        case search(FindQuestion)
        case difference(String, String, prefix: ByteString = "")
        /// All views, all versions and the snapshots.
        case everything
    }

    var isQuestion: Bool {
        switch self {
        case .ask, .verify: true
        default: false
        }
    }

    /// The inventory that it is about.
    var inventory: String? {
        switch self {
        case .sync(let name), .syncAgain(let name): name
        default: nil
        }
    }
}

extension HistoryAct: CustomStringConvertible {
    var description: String {
        switch self {
        case .sync(let name): "sync \(name)"
        case .syncAgain(let name): "sync \(name) again"
        case .prune(let rules): "prune \(rules.options.joined(separator: " "))"
        case .reindex(let isGone): isGone ? "reindex, without the old index" : "reindex"
        case .verify: "verify"
        case .ask(let question): "ask for \(question)"
        }
    }
}
