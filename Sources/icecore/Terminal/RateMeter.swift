import Glibc

/// How fast a total grows, smoothed: a mean over the last seconds, in which older ones count less and less.
struct RateMeter {
    /// The seconds after which a change of the rate shows by two thirds.
    private let memory: Double
    private var last: (total: Double, seconds: Double)?
    private var sum = 0.0
    private var weight = 0.0

    init(memory: Double) {
        self.memory = memory
    }

    /// Records the total at a time.
    mutating func note(_ total: Double, seconds: Double) {
        defer { last = (total, seconds) }
        guard let last, seconds > last.seconds else { return }
        let age = seconds - last.seconds
        // As if the total had grown evenly since the last record.
        let share = 1 - exp(-age / memory)
        sum += share * (max(0, total - last.total) / age - sum)
        weight += share * (1 - weight)
    }

    /// Units per second; nil until two totals are known.
    var rate: Double? {
        weight > 0 ? sum / weight : nil
    }
}
