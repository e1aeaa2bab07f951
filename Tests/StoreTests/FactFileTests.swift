import Basics
import Foundation
import Testbed
import Testing
@testable import Blobs
@testable import Model
@testable import Store

/// The file of facts: what is a line, and what happens when several write at once.
@Suite struct FactFileTests {
    private static let etag = ETag(Array("9b2cf535f27731c974343645a3985328-3".utf8))
    private static let facts = [
        BlobFact(etag: etag, size: 25, .parts(.even(10))),
        BlobFact(etag: etag, size: 26, .parts(.uneven([10, 6, 10]))),
        BlobFact(etag: ETag(Array("\"odd\" %\n\u{7f}é".utf8)), size: 0, .sha256(SHA256.digest([]))),
        BlobFact(etag: ETag([]), size: .max, .sha256(SHA256.digest([1]))),
    ]

    @Test(arguments: facts) func aLineComesBack(fact: BlobFact) {
        #expect(BlobFact(line: fact.line.dropLast()) == fact)
        #expect(
            fact.line.filter { $0 == 10 }.count == 1 && fact.line.allSatisfy { $0 == 10 || (0x20...0x7e).contains($0) })
    }

    @Test func nothingElseIsALine() {
        for fact in Self.facts {
            let line = Array(fact.line.dropLast())
            for count in 0..<line.count { #expect(BlobFact(line: line[..<count]) == nil) }
            for place in line.indices {
                for bit in 0..<8 {
                    var other = line
                    other[place] ^= 1 << UInt8(bit)
                    #expect(BlobFact(line: other[...]) == nil)
                }
            }
        }
        // Lines that somebody has made up, with the right digest.
        for text in [
            "", " ", "e 1 even 5", "\(Self.etag) 25 even 0", "\(Self.etag) 25 even 99999999999999999999",
            "\(Self.etag) -1 even 5", "\(Self.etag) 25 uneven 3x10", "\(Self.etag) 25 uneven 4000000000x1",
            "\(Self.etag) 25 uneven ", "\(Self.etag) 25 uneven x,x", "\(Self.etag) 25 sha256 00", "%2 25 sha256 00",
            "\(Self.etag) 25 other 5", "\(Self.etag) 25 even 5 5",
        ] {
            let line = Array("\(text) ".utf8)
            let check = Hex.encode(SHA256.digest(line)).utf8.prefix(16)
            #expect(BlobFact(line: (line + check)[...]) == nil, "\(text)")
        }
    }

    @Test func severalWritersLoseNothing() throws {
        try Testbed.withDirectory { directory in
            let file = FactFile(path: "\(directory)/facts")
            let first = Self.facts[0]
            let (writers, rounds) = (4, 50)
            @Sendable func fact(_ writer: Int, _ round: Int) -> BlobFact {
                BlobFact(etag: ETag(Array("\(writer) \(round)".utf8)), size: 1, .sha256(SHA256.digest([])))
            }
            DispatchQueue.concurrentPerform(iterations: writers + 1) { writer in
                do {
                    for round in 0..<rounds {
                        if writer == writers {
                            // What is there stays.
                            try file.replace { add in try file.read(add) }
                        } else {
                            if try !file.append([fact(writer, round)]) {
                                _ = try file.create { try $0(first) }
                                #expect(try file.append([fact(writer, round)]))
                            }
                        }
                    }
                } catch {
                    Issue.record(error)
                }
            }
            var seen: Set<BlobFact> = []
            let summary = try file.read { seen.insert($0) }
            #expect(summary?.damaged == 0 && seen.subtracting([first]).count == writers * rounds)
            #expect(try Files.names(in: directory) == ["facts"])
        }
    }
}
