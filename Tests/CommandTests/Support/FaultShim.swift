import Foundation
import Testbed

/// The library of `Tests/FaultShim`, that the program is run with to meet faults which nothing else can be asked for.
enum FaultShim {
    /// The environment of a program that is to have a fault.
    static func environment(_ faults: [String: String]) throws -> [String: String] {
        faults.merging(["LD_PRELOAD": try path.get()]) { first, _ in first }
    }

    /// The library is built beside the tests.
    private static let path = Result<String, any Error> {
        var place = URL(filePath: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        while place.path != "/" {
            place.deleteLastPathComponent()
            let candidate = place.appending(path: "libFaultShim.so").path
            if FileManager.default.fileExists(atPath: candidate) { return candidate }
        }
        throw TestbedError("there is no libFaultShim.so beside the tests: 'swift build --build-tests' builds it")
    }
}
