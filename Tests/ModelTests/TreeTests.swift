import Basics
import ReferenceModel
import Testing

@Suite struct TreeTests {
    static func view(_ sizes: [ByteString: Int64]) -> ShownVersions {
        var view: ShownVersions = [:]
        for (key, size) in sizes {
            view[key] = Version(key: key, id: "1", lastModified: RuleTests.at(5), etag: "e", size: size)
        }
        return view
    }

    /// The paths of a tree, directories with a slash behind them, those that carry a placeholder with two.
    static func paths(_ sizes: [ByteString: Int64]) -> Set<String> {
        let paths = MountTree(view(sizes)).nodes.map { path, node in
            switch node {
            case .file: path.string
            case .directory(nil): path.string + "/"
            case .directory: path.string + "//"
            }
        }
        return Set(paths)
    }

    @Test func ordinaryKeys() {
        #expect(Self.paths(["a": 1, "b/c": 1, "b/d/e": 0]) == ["/", "a", "b/", "b/c", "b/d/", "b/d/e"])
        #expect(Self.paths([:]) == ["/"])
    }

    @Test func objectBesideADirectoryOfItsName() {
        #expect(Self.paths(["a": 1, "a/b": 1]) == ["/", "a/", "a/.icecore-object", "a/b"])
        #expect(Self.paths(["a": 1, "a/": 0]) == ["/", "a/.icecore-object", "a//"])
        #expect(
            Self.paths(["a": 1, "a/": 2, "a/.icecore-object": 3])
                == ["/", "a/", "a/.icecore-empty", "a/.icecore-esc-object", "a/.icecore-object"])
    }

    @Test func placeholders() {
        #expect(Self.paths(["a/": 0]) == ["/", "a//"])
        #expect(Self.paths(["a/": 5]) == ["/", "a/", "a/.icecore-empty"])
        #expect(Self.paths(["a/": 0, "a//b": 1]) == ["/", "a/.icecore-empty/", "a/.icecore-empty/b", "a//"])
        #expect(
            Self.paths(["a/": 5, "a//b": 1])
                == ["/", "a/", "a/.icecore-empty/", "a/.icecore-empty/.icecore-object", "a/.icecore-empty/b"])
        #expect(Self.paths(["a//": 0]) == ["/", "a/", "a/.icecore-empty//"])
        #expect(Self.paths(["/": 0]) == ["/", ".icecore-empty//"])
        #expect(Self.paths(["/": 1]) == ["/", ".icecore-empty/", ".icecore-empty/.icecore-empty"])
    }

    @Test func componentsThatNoFileCanHave() {
        #expect(Self.paths(["../x": 1, ".": 1]) == ["/", ".icecore-dot", ".icecore-dotdot/", ".icecore-dotdot/x"])
        #expect(Self.paths(["/y": 1]) == ["/", ".icecore-empty/", ".icecore-empty/y"])
    }

    @Test(
        arguments: [
            ("", ".icecore-empty"), (".", ".icecore-dot"), ("..", ".icecore-dotdot"), ("...", "..."), ("a b", "a b"),
            (".icecore-empty", ".icecore-esc-empty"), (".icecore-", ".icecore-esc-"), (".icecore", ".icecore"),
            (".icecore-esc-x", ".icecore-esc-esc-x"), (".icecore-object", ".icecore-esc-object"),
            ("2024-03-01T01:00:00Z_x", "2024-03-01T01:00:00Z_x"),
            // From `printf 'a\0b' | sha256sum`.
            ("a\0b", ".icecore-long-59b271ae1bbcb1d31d41929817f4b16fb439eb4f31520b5ad1d5ce98920a7138"),
        ] as [(ByteString, ByteString)])
    func names(component: ByteString, name: ByteString) {
        #expect(ComponentName.encode(component) == name)
    }

    @Test func namesAreNeverTooLongAndHashedOnlyWhereTheyWouldBe() {
        for count in [246, 247, 255, 256, 1024] {
            let plain = ByteString(String(repeating: "x", count: count))
            #expect((ComponentName.encode(plain) == plain) == (count <= 255))
            let reserved = ByteString(".icecore-" + String(repeating: "x", count: count - 9))
            #expect(ComponentName.encode(reserved).hasPrefix(".icecore-long-") == (count > 251))
        }
    }

    /// Components of all odd keys, and what their names are if taken for components again.
    static let components: [ByteString] = {
        let keys = OddKeys.odd + OddKeys.withNUL + OddKeys.plain + OddKeys.flipping.joined()
        var components = Set(keys.flatMap(\.components))
        for _ in 0..<3 {
            components.formUnion(components.map(ComponentName.encode))
            components.formUnion(components.map(ComponentName.encodeUnderVersions))
        }
        return components.sorted()
    }()

    @Test func namesAreInjectiveAndReversible() {
        for (encode, decode) in [
            (ComponentName.encode, ComponentName.decode),
            (ComponentName.encodeUnderVersions, ComponentName.decodeUnderVersions),
        ] {
            #expect(Set(Self.components.map(encode)).count == Self.components.count)
            for component in Self.components {
                let name = encode(component)
                let isPossible =
                    !["", ".", "..", ComponentName.object].contains(name)
                    && name.count <= 255 && !name.bytes.contains(0) && !name.bytes.contains(UInt8(ascii: "/"))
                #expect(isPossible, "\(component) → \(name)")
                let digest = ByteString(Hex.encode(SHA256.digest(component.bytes)))
                #expect([.component(component), .hashed(digest)].contains(decode(name)), "\(component) → \(name)")
            }
        }
    }

    @Test func namesThatNoComponentHas() {
        let names: [ByteString] = [
            "", ".", "..", "a/b", "a\0b", ".icecore-x", ".icecore-long-0", ".icecore-",
            ByteString(String(repeating: "x", count: 256)),
        ]
        for name in names { #expect(ComponentName.decode(name) == nil, "\(name)") }
        #expect(ComponentName.decode(".icecore-object") == .object)
        #expect(ComponentName.decodeUnderVersions("2024-03-01T01:00:00Z_x") == nil)
    }

    @Test func everyKeyOfAViewIsAtOnePlace() throws {
        for seed: UInt64 in 0..<20 {
            let history = try HistoryScenario(seed: seed, withNUL: true).history()
            for inventory in history.inventories {
                let view = try #require(history.snapshotView(inventory.name))
                let shown = MountTree(view).nodes.values.compactMap { node in
                    switch node {
                    case .file(let version), .directory(let version?): version
                    case .directory(nil): nil as Version?
                    }
                }
                #expect(shown.count == view.count)
                #expect(Set(shown) == Set(view.values))
            }
        }
    }

    @Test func namesInADirectory() {
        let tree = MountTree(Self.view(["a/b": 1, "a/c/d": 1, "a-": 1, "x": 1]))
        #expect(tree.names(in: "") == ["a", "a-", "x"])
        #expect(tree.names(in: "a") == ["b", "c"])
        #expect(tree.names(in: "a/b") == nil)
        #expect(tree.names(in: "nowhere") == nil)
    }

    @Test func versionsBelowTheirKey() throws {
        func object(_ key: ByteString, _ id: VersionID, _ second: Int, etag: ByteString = "e") -> Version {
            Version(key: key, id: id, lastModified: RuleTests.at(second), etag: etag, size: 1)
        }
        let time = "1970-01-01T00:00:05Z"
        let rows = [
            object("a", "1", 5), object("a/b", .unknown, 5), object("a/\(time)_1".byteString, "2", 5),
            object("a/.icecore-\(time)_1".byteString, "3", 5), object("/", "4", 6),
        ]
        let marker = Version(
            key: "gone", id: "9", lastModified: RuleTests.at(7), etag: "", isMarker: true)
        let history = try History([
            InventoryReport(
                name: "S", takenAt: RuleTests.at(10),
                rows: (rows + [marker]).map { InventoryReport.Row($0, isLatest: true) })
        ])
        let files = MountTree.versions(of: history).nodes.filter {
            if case .file = $0.value { true } else { false }
        }
        #expect(
            files.keys.sorted().map(\.string) == [
                ".icecore-empty/.icecore-empty/1970-01-01T00:00:06Z_4",
                "a/.icecore-esc-\(time)_1/\(time)_2", "a/.icecore-esc-esc-\(time)_1/\(time)_3", "a/\(time)_1",
                "a/b/\(time)_",
            ])
    }
}

extension String {
    var byteString: ByteString { ByteString(self) }
}
