import Basics
import Foundation
import FuzzTargets
import Testing

/// Everything that a fuzzer has found worth keeping, and every input that once broke something, once more.
@Suite struct CorpusTests {
    private static let folder =
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path + "/Fuzz"

    @Test(arguments: FuzzTarget.allCases)
    func nothingInTheCorporaBreaksAnything(_ target: FuzzTarget) throws {
        var count = 0
        for kind in ["corpus", "regressions"] {
            let path = "\(Self.folder)/\(kind)/\(target.rawValue)"
            guard Files.exists(path) else { continue }
            for name in try Files.names(in: path) {
                target.run(try Files.read("\(path)/\(name)", limit: 16 << 20))
                count += 1
            }
        }
        #expect(count >= 5, "the corpus of \(target.rawValue) is not there")
    }

    /// A share of what `make fuzz` does, without its knowledge of the code: inputs that resemble those of the corpus.
    @Test(arguments: FuzzTarget.allCases)
    func changedInputsBreakNothing(_ target: FuzzTarget) throws {
        let path = "\(Self.folder)/corpus/\(target.rawValue)"
        let corpus = try Files.names(in: path).map { try Files.read("\(path)/\($0)", limit: 16 << 20) }
        let small = corpus.filter { $0.count < 4096 }
        var state: UInt64 = 1
        func random(_ limit: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % max(1, limit)
        }
        for _ in 0..<500 {
            var bytes = small[random(small.count)]
            let other = small[random(small.count)]
            for _ in 0...random(4) where !bytes.isEmpty {
                let place = random(bytes.count)
                switch random(5) {
                case 0: bytes[place] = UInt8(random(256))
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(UInt8(random(256)), at: place)
                case 3: bytes.removeLast(bytes.count - place)
                default: bytes.insert(contentsOf: other.prefix(random(other.count)), at: place)
                }
            }
            target.run(bytes)
        }
    }
}
