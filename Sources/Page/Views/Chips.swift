import Survey

/// Small labels.
enum Chips {
    /// How many keys were added, removed and changed.
    static func counts(_ change: FolderChange) -> Markup {
        let parts: [(Int64, String, String, String)] = [
            (change.added.keys, "plus", "+", "added"), (change.removed.keys, "minus", "−", "removed"),
            (change.modified.keys, "change", "~", "changed"),
        ]
        return Markup(
            parts.filter { $0.0 > 0 }.map { count, kind, sign, word in
                """
                <span class="chip \(kind)" title="\(PageText.number(count)) \(word)">\(sign)\(PageText.number(count))\
                <span class="visually-hidden"> \(word)</span></span>\u{20}
                """
            })
    }
}
