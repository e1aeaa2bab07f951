/// A half-open interval. `max` of the bound's type as `to` means "for ever".
public struct Interval<Bound: FixedWidthInteger & Sendable>: Hashable, Sendable {
    public var from: Bound
    public var to: Bound

    public init(_ from: Bound, _ to: Bound) {
        self.from = from
        self.to = to
    }

    @inline(__always)
    public func contains(_ value: Bound) -> Bool {
        from <= value && value < to
    }
}

public typealias TimeSpan = Interval<Int64>
