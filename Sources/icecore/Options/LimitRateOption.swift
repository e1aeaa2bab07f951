import ArgumentParser

/// How fast to send and receive.
struct LimitRateOption: ParsableArguments {
    @Option(
        name: .customLong("limit-rate"),
        help: ArgumentHelp("Maximum bytes per second: 500K, 10M, 1.5G (units of 1024).", valueName: "rate"),
        transform: { try ByteSize.parse($0, LimitRateOption.bounds) })
    var limitRate: Int64?

    /// Below this, a response would look like one that never comes.
    private static let bounds: ClosedRange<Int64> = (1 << 10)...(1 << 50)
}
