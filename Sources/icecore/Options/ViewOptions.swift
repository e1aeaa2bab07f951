import ArgumentParser
import Basics
import Index
import Model

/// Which date to show.
struct ViewOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The date to show: latest, an inventory's name, 2024-11-06, 2024-11-06T12:00:00Z, or an age such as 3d or "
                + "2w. Default: latest.",
            valueName: "when"))
    var at: String?

    /// The requested view. Says on stderr what a date resolved to.
    func view(_ reader: IndexReader) throws -> View {
        let view = try reader.view(at.map { text throws(IcecoreError) in try When(text) } ?? .latest)
        if at != nil { Console.note(view.remark) }
        return view
    }
}

extension View {
    /// What a WHEN resolved to, in a sentence.
    var remark: String {
        switch kind {
        case .snapshot: "showing snapshot \(name), exactly as the inventory lists it"
        case .instant: "showing the instant \(name), from all known versions"
        }
    }
}
