import Basics
import Survey

/// Pictures as SVG. Numbers are the only values in it.
enum Drawing {
    /// A number for an attribute, with two digits behind the point.
    static func coordinate(_ value: Double) -> String {
        guard value.isFinite else { return "0" }
        let hundredths = Int((value * 100).rounded())
        let (whole, rest) = (abs(hundredths) / 100, abs(hundredths) % 100)
        return "\(hundredths < 0 ? "-" : "")\(whole)" + (rest == 0 ? "" : ".\(rest < 10 ? "0" : "")\(rest)")
    }

    /// The shape of values over time, from the bottom of a box of 100 × 100 that is stretched to where it stands; others, of
    /// a scale of their own, as a thin line above it.
    static func area(_ values: [(x: Double, y: Double)], _ others: [(x: Double, y: Double)] = []) -> Markup {
        guard let first = values.first else { return Markup() }
        let line = steps(values)
        let closed = line + " V100 H\(coordinate(first.x)) Z"
        let second: Markup? = others.isEmpty ? nil : "<path class=\"second\" d=\"\(steps(others))\"/>"
        return """
            <svg class="shape" viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">\
            <path class="area" d="\(closed)"/><path class="outline" d="\(line)"/>\(second)</svg>
            """
    }

    private static func steps(_ values: [(x: Double, y: Double)]) -> String {
        let top = max(values.map(\.y).max() ?? 0, 1)
        var line = ""
        var last = ""
        for (place, value) in values.enumerated() {
            let y = coordinate(100 - 96 * value.y / top)
            // What is there stays until something happens: steps, no slopes.
            if place == 0 {
                line = "M\(coordinate(value.x)) \(y)"
            } else if y != last || place == values.count - 1 {
                line += " H\(coordinate(value.x)) V\(y)"
            }
            last = y
        }
        return line
    }

    /// A bar of a length from 0 to 100.
    static func bar(_ length: Double) -> Markup {
        """
        <svg aria-hidden="true"><rect class="rest" width="100%" height="100%" rx="4"/>\
        <rect width="\(coordinate(max(0.6, min(100, length))))%" height="100%" rx="4"/></svg>
        """
    }

    static let folder: Markup = """
        <svg class="icon folder" viewBox="0 0 20 20" fill="currentColor" aria-hidden="true">\
        <path d="M2 5.5A1.5 1.5 0 0 1 3.5 4h4l1.8 2h7.2A1.5 1.5 0 0 1 18 7.5v7a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 2 14.5z"/></svg>
        """

    static let file: Markup = """
        <svg class="icon" viewBox="0 0 20 20" fill="none" stroke="currentColor" stroke-width="1.4" aria-hidden="true">\
        <path d="M5 2.7h6.2L15.3 7v10.3H5z" stroke-linejoin="round"/><path d="M11 2.9V7.2h4.1" stroke-linejoin="round"/></svg>
        """

    /// Layers of ice.
    static let mark: Markup = """
        <svg viewBox="0 0 32 32" aria-hidden="true"><rect class="core" x="9" y="2" width="14" height="28" rx="7"/>\
        <path class="layers" d="M9.5 11.5c4-2 9 2 13 0M9.5 17.5c4-2 9 2 13 0M9.5 23c4-2 9 2 13 0"/></svg>
        """

    static let lens: Markup = """
        <svg viewBox="0 0 20 20" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true">\
        <circle cx="8.5" cy="8.5" r="5.5"/><path d="m13 13 5 5" stroke-linecap="round"/></svg>
        """
}
