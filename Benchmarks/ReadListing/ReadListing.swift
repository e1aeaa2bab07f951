import ArgumentParser
import Basics
import Glibc
import S3

@main
struct ReadListing: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "icecore-bench-listing",
        abstract: "Measure how fast one core reads the pages of a listing: the same ones over and over.")

    @Argument(help: "Files with the XML of a page each.") var pages: [String]
    @Option(help: "For how many seconds, each of three times.") var seconds = 3.0

    func run() throws {
        let pages = try pages.map { try Files.read($0, limit: S3VersionPage.largestAnswer) }
        let bytes = pages.reduce(0) { $0 + $1.count }
        for _ in 0..<3 {
            var (rows, rounds) = (0, 0)
            let start = processorSeconds()
            while processorSeconds() - start < seconds {
                for page in pages { rows += try S3VersionPage(xml: page).rows.count }
                rounds += 1
            }
            let time = processorSeconds() - start
            print("\(Int(Double(rows) / time)) versions/s a core, \(Int(Double(rounds * bytes) / time) >> 20) MiB/s")
        }
    }

    private func processorSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
