import Basics
import Model

extension JSONLine {
    /// Adds `headers` and `tags`, each an object of texts; null where nothing is known.
    mutating func add(_ headers: ObjectHeaders?) {
        add("headers", texts: headers?.fields)
        add("tags", texts: headers.flatMap { $0.isComplete ? $0.tags : nil })
    }
}
