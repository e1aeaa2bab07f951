import Basics
import Foundation
import Testbed
import Testing
@testable import Store

/// The names in a store: what `init` puts up with, what `verify` calls foreign and what a sync removes are of one mind.
@Suite struct StoreLayoutTests {
    /// What is written anew before it gets its name.
    private static let replacements = [
        "icecore.json.4711.new", "blobs.facts.7.new", "verify.state.1.new", "index.sqlite.new", "index.sqlite.new-wal",
        "index.sqlite.new-shm",
        "current.json.12.new", "index.assembled.new",
    ]
    /// What people leave in directories.
    private static let foreign = [
        "README", "icecore.json.bak", "icecore.json.old.new", "icecore.json.new", "verify.state.old", "verify.state.",
        "index.sqlite.newer", "index.sqlite.bak", "mount.log.older", "mount.log.old.1", "notes.new", "lost", "",
        "Blobs", "tmp ", "icecore.json.-1.new", "icecore.json.١.new",
    ]

    @Test func aRotatedMountLogBelongsToTheStore() {
        #expect(StoreLayout.isOwn("mount.log.old") && StoreLayout.mayPrecede("mount.log.old"))
        #expect(!StoreLayout.isLeftover("mount.log.old"))
    }

    @Test func everyNameOfTheListIsOneForAll() {
        #expect(Set(StoreLayout.names.map(\.name)).count == StoreLayout.names.count)
        for (name, kind) in StoreLayout.names {
            #expect(StoreLayout.isOwn(name) == (kind != .cache), "\(name)")
            #expect(StoreLayout.mayPrecede(name) == (name != StoreLayout.configuration), "\(name)")
            #expect(!StoreLayout.isLeftover(name), "\(name) would be removed")
        }
    }

    @Test func replacementsAreOwnAndRemoved() {
        for name in Self.replacements {
            #expect(StoreLayout.isOwn(name) && StoreLayout.mayPrecede(name) && StoreLayout.isLeftover(name), "\(name)")
        }
    }

    @Test func whatIsForeignIsForeignForAll() {
        for name in Self.foreign {
            #expect(!StoreLayout.isOwn(name), "\(name)")
            #expect(!StoreLayout.mayPrecede(name), "\(name)")
            #expect(!StoreLayout.isLeftover(name), "\(name) would be removed")
        }
    }

    /// The same with real files: in a directory that is to become a store, and in one that is.
    @Test func aStoreIsMadeAmongWhatMayPrecedeIt() throws {
        try Testbed.withDirectory { directory in
            let path = "\(directory)/store"
            try Files.createDirectory(path)
            let files = StoreLayout.names.filter {
                [.record, .lock, .cache].contains($0.kind) && !$0.name.hasSuffix("-shm")
                    && $0.name != StoreLayout.replicas
            }
            for name in files.map(\.name) + Self.replacements where !name.hasPrefix("index.sqlite") {
                try Files.replace("\(path)/\(name)", with: [])
            }
            try Files.createDirectory("\(path)/lost+found", mode: 0o700)
            let store = try Store.create(at: path, StoreConfiguration(bucket: "bucket", inventory: nil))
            try store.removeLeftovers()
            let left = try Files.names(in: path)
            #expect(left.filter(StoreLayout.isLeftover).isEmpty)
            for name in files.map(\.name) + ["lost+found", StoreLayout.configuration, StoreLayout.blobs] {
                #expect(left.contains(name), "\(name)")
            }
            for name in Self.foreign where !name.isEmpty {
                let other = "\(directory)/other"
                try Files.createDirectory(other)
                try Files.replace("\(other)/\(name)", with: [1])
                #expect(throws: IcecoreError.self, "\(name)") {
                    try Store.create(at: other, StoreConfiguration(bucket: "bucket", inventory: nil))
                }
                #expect(try Files.names(in: other) == [name])
                try store.removeLeftovers()
                try Files.removeAll(other)
                // And beside what a store has.
                guard !left.contains(name) else { continue }
                try Files.replace("\(path)/\(name)", with: [1])
                try store.removeLeftovers()
                #expect(Files.exists("\(path)/\(name)"), "\(name) is somebody's")
                try Files.remove("\(path)/\(name)")
            }
        }
    }
}
