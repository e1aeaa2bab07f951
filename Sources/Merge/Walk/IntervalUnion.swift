import Model

/// Accumulates the union of many intervals in little memory: most are open, and of those only the earliest counts.
package struct IntervalUnion<Bound: FixedWidthInteger & Sendable> {
    private var open = Bound.max
    private var closed: [Interval<Bound>] = []
    private var limit = 64

    @inline(__always)
    package mutating func add(_ from: Bound, _ to: Bound) {
        if to == .max {
            if from < open { open = from }
        } else if from < open, from < to {
            addClosed(from, to)
        }
    }

    private mutating func addClosed(_ from: Bound, _ to: Bound) {
        if let last = closed.last, last.from <= from, from <= last.to {
            closed[closed.count - 1].to = Swift.max(last.to, to)
            return
        }
        closed.append(Interval(from, to))
        if closed.count >= limit {
            closed = closed.normalized()
            limit = Swift.max(64, closed.count * 2)
        }
    }

    /// The start of the interval, if there is just one and it is open.
    @inline(__always)
    package var onlyOpen: Bound? {
        open != .max && (closed.isEmpty || closed.allSatisfy { $0.from >= open }) ? open : nil
    }

    /// Everything so far: in order, not touching.
    package var intervals: [Interval<Bound>] {
        if closed.isEmpty { return open == .max ? [] : [Interval(open, .max)] }
        return (open == .max ? closed : closed + [Interval(open, .max)]).normalized()
    }
}
