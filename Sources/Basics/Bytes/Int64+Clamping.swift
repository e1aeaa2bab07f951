extension Int64 {
    /// The sum, clamped to the range of the type: sizes claimed by an inventory must not trap.
    public func addingClamped(_ other: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }
}
