import Download
import Foundation
import Testing

/// The sums that another machine tells.
@Suite struct DownloadTallyTests {
    @Test(arguments: ["fetched", "bytes", "requests", "received", "archived", "lost"], [-1, Int64.max])
    func sumsThatNobodyCanAddAreNotBelieved(field: String, value: Int64) throws {
        var tally = DownloadTally()
        #expect(tally.isPlausible)
        let text = String(decoding: try JSONEncoder().encode(tally), as: UTF8.self)
        #expect(text.contains("\"\(field)\":0"))
        let changed = text.replacing("\"\(field)\":0", with: "\"\(field)\":\(value)")
        tally = try JSONDecoder().decode(DownloadTally.self, from: Data(changed.utf8))
        #expect(!tally.isPlausible)
    }
}
