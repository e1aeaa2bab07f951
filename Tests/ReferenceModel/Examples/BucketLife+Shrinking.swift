import Basics

extension BucketLife {
    /// The fewest and simplest steps that still fail, at their times.
    ///
    /// - Parameters:
    ///   - shrinker: how long to try.
    ///   - together: how many steps are taken away as one; the life is made of such groups.
    ///   - fails: whether a life fails.
    public func shrunk(
        _ shrinker: inout Shrinker, together: Int = 1, fails: (BucketLife) throws -> Bool
    ) -> BucketLife {
        // First keys, for an example is about one; then inventories, for they make a try slow.
        var life = with(keys: shrinker.fewest(keys) { try fails(with(keys: $0)) })
        life = life.with(
            inventories: shrinker.fewest(life.inventoryNumbers) { try fails(life.with(inventories: $0)) })
        // What is simpler may need fewer steps.
        for _ in 0..<2 {
            let groups = stride(from: 0, to: life.steps.count, by: together).map { start in
                life.steps[start..<min(start + together, life.steps.count)]
            }
            life.steps = shrinker.fewest(groups) { try fails(life.with(Array($0.joined()))) }.flatMap { $0 }
            life.simplify(&shrinker, fails)
        }
        return life
    }

    /// Makes steps as simple as they can be, all of them if possible.
    private mutating func simplify(_ shrinker: inout Shrinker, _ fails: (BucketLife) throws -> Bool) {
        let simplest = steps.indices.map { simplerSteps(at: $0).first ?? steps[$0].operation }
        var all = self
        for (place, operation) in simplest.enumerated() { all.steps[place].operation = operation }
        if shrinker.fails({ try fails(all) }) {
            self = all
            return
        }
        for place in steps.indices {
            for operation in simplerSteps(at: place) {
                var simplified = self
                simplified.steps[place].operation = operation
                if shrinker.fails({ try fails(simplified) }) {
                    self = simplified
                    break
                }
            }
        }
    }

    private func with(_ steps: [LifeStep]) -> BucketLife {
        var life = self
        life.steps = steps
        return life
    }

    private var inventoryNumbers: [Int] { Set(steps.compactMap(\.operation.inventoryNumber)).sorted() }

    /// Without the other inventories.
    private func with(inventories numbers: [Int]) -> BucketLife {
        with(steps.filter { $0.operation.inventoryNumber.map(numbers.contains) ?? true })
    }

    /// Without the steps that are about other keys.
    private func with(keys: [ByteString]) -> BucketLife {
        let keys = Set(keys)
        return with(
            steps.compactMap { step in
                var step = step
                switch step.operation {
                case .takeInventory(let number, let name, let milliseconds, let kind, let scanned):
                    step.operation = .takeInventory(
                        number, name: name, milliseconds: milliseconds, kind, scanned.filter(keys.contains))
                case .scan(let number, let scanned):
                    step.operation = .scan(number, scanned.filter(keys.contains))
                case let operation:
                    if let key = operation.key, !keys.contains(key) { return nil }
                }
                return step
            })
    }

    /// What a step could be instead, the simplest first.
    private func simplerSteps(at place: Int) -> [Operation] {
        switch steps[place].operation {
        case .takeInventory(let number, let name, let milliseconds, let kind, let scanned):
            if milliseconds == 0, kind == .full, scanned == keys { return [] }
            return [
                .takeInventory(number, name: name, milliseconds: 0, .full, keys),
                .takeInventory(number, name: name, milliseconds: milliseconds, .full, scanned),
                .takeInventory(number, name: name, milliseconds: 0, kind, scanned),
            ]
        case .put(let key, _, let id): return [.put(key, Array("content \(place)".utf8), id: id)]
        default: return []
        }
    }

    /// With so many seconds between steps, those of one second still in one. Inventories that are named after their time
    /// get the names of the new ones, which differ from 60 seconds on.
    public func spaced(_ spacing: Int64) -> BucketLife {
        let times = Set(steps.map(\.time)).sorted()
        let day = (times.first ?? 0) / 86_400 * 86_400
        let new = Dictionary(uniqueKeysWithValues: times.enumerated().map { ($1, day + spacing * Int64($0 + 1)) })
        return with(
            steps.map { step in
                var step = step
                let old = step.time
                step.time = new[old] ?? old
                if case .takeInventory(let number, let name, let milliseconds, let kind, let scanned) = step.operation {
                    for isListing in [false, true] where name == Self.name(old, milliseconds, isListing) {
                        let new = Self.name(step.time, milliseconds, isListing)
                        step.operation = .takeInventory(number, name: new, milliseconds: milliseconds, kind, scanned)
                    }
                }
                return step
            })
    }

    private static func name(_ time: Int64, _ milliseconds: Int64, _ isListing: Bool) -> String {
        let instant = Timestamp(milliseconds: time * 1000 + milliseconds)
        return isListing ? InventoryReport.name(listedAt: instant) : InventoryReport.name(takenAt: instant)
    }
}

extension BucketLife.Operation {
    fileprivate var inventoryNumber: Int? {
        switch self {
        case .takeInventory(let number, _, _, _, _), .scan(let number, _): number
        default: nil
        }
    }
}
