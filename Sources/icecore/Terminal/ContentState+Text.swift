import Model

extension ContentState {
    /// One letter for a content that is not in the store, as in `ls -l`; a space for one that is.
    var mark: String {
        switch self {
        case .present: " "
        case .missing: "M"
        case .archived: "A"
        case .refused: "R"
        case .gone: "G"
        case .pruned: "P"
        case .unrequested: "-"
        }
    }
}
