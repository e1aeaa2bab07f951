/// How many requests to keep in flight: more as long as that raises the throughput, fewer if the server asks for it.
///
/// Time is divided into epochs of as many answers as the window is wide. If an epoch with a wider window moved clearly
/// more than the one before, the window keeps growing; otherwise it shrinks back and tries again later.
public struct ConcurrencyWindow: Sendable {
    private enum Trend: Sendable {
        case growing
        /// Growth did not help once; that may have been noise.
        case doubting
        case holding(until: UInt64)
    }

    public let ceiling: Int
    /// How many may be in flight.
    public private(set) var size: Int
    private var trend = Trend.growing
    private var previousSize: Int
    private var previousRate = 0.0
    private var lastOverload: UInt64?

    private var epochStart: UInt64 = 0
    private var answers = 0
    private var overloads = 0
    private var units = 0.0
    private var wasFull = false

    /// A request costs about as much as this many bytes.
    private static let bytesPerRequest = 65536.0
    private static let floor = 4

    /// - Parameters:
    ///   - ceiling: the most ever.
    ///   - start: how many at first.
    public init(ceiling: Int, start: Int = 128) {
        self.ceiling = max(1, ceiling)
        size = min(self.ceiling, max(1, start))
        previousSize = size
    }

    /// There was something to send, but the window was full.
    public mutating func noteFull() {
        wasFull = true
    }

    /// An answer of this many bytes arrived, or the server said that it is overloaded.
    ///
    /// - Parameter now: milliseconds of a monotonic clock.
    public mutating func ended(bytes: Int64, overloaded: Bool, now: UInt64) {
        if epochStart == 0 { epochStart = now }
        answers += 1
        if overloaded { overloads += 1 } else { units += Double(bytes) + Self.bytesPerRequest }
        let elapsed = now &- epochStart
        if answers >= size, elapsed >= 20 { endEpoch(now, rate: units / Double(elapsed)) }
    }

    private mutating func endEpoch(_ now: UInt64, rate: Double) {
        let share = Double(overloads) / Double(answers)
        let full = wasFull
        let refusals = overloads
        epochStart = now
        answers = 0
        overloads = 0
        units = 0
        wasFull = false
        // A few refusals among many answers are noise, not a limit; so is a single one if the window is narrow.
        if share > 0.05, refusals > 1 {
            lastOverload = now
            size = max(min(Self.floor, ceiling), Int(Double(size) * (share > 0.25 ? 0.5 : 0.8)))
            previousSize = size
            previousRate = 0
            trend = .holding(until: now + 1000)
            return
        }
        guard full else { return }
        switch trend {
        case .growing, .doubting:
            if previousRate == 0 || size == previousSize || rate > previousRate * 1.15 {
                previousRate = rate
                previousSize = size
                trend = .growing
                grow(now)
            } else if case .growing = trend {
                trend = .doubting
            } else {
                size = previousSize
                trend = .holding(until: now + 2000)
            }
        case .holding(let end):
            previousRate = rate
            previousSize = size
            if now >= end {
                trend = .growing
                grow(now)
            }
        }
    }

    private mutating func grow(_ now: UInt64) {
        let wasOverloaded = lastOverload.map { now - $0 < 30_000 } ?? false
        size = min(ceiling, wasOverloaded ? size + max(1, size / 4) : size * 2)
    }
}
