// swift-tools-version: 6.1
import PackageDescription

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let heap = Target.Dependency.product(name: "HeapModule", package: "swift-collections")
let sqlite = Target.Dependency.product(name: "GRDBSQLite", package: "GRDB.swift")
let nio = ["NIOCore", "NIOPosix", "NIOHTTP1"].map { Target.Dependency.product(name: $0, package: "swift-nio") }

// 'make fuzz' builds what is fuzzed so that the fuzzer sees which way an input takes, and a program around it. Nothing of
// that is part of any other build. The variable names libFuzzer's library without a main function.
let fuzzer = Context.environment["ICECORE_FUZZER"]
let fuzzed: [SwiftSetting] = fuzzer == nil ? [] : [.unsafeFlags(["-sanitize=fuzzer"])]
let fuzzProgram: [Target] =
    fuzzer.map { library in
        [
            .executableTarget(
                name: "icecore-fuzz", dependencies: ["FuzzTargets"], path: "Tests/Fuzz/Driver",
                linkerSettings: [.unsafeFlags([library]), .linkedLibrary("stdc++")])
        ]
    } ?? []

// The loops over rows are checked for exclusive access in debug builds, where all tests run; in release builds the checks
// would be a tenth of a sync.
let hot: [SwiftSetting] = [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))] + fuzzed

let package = Package(
    name: "icecore",
    products: [
        .executable(name: "icecore", targets: ["icecore"]),
        // Loaded into the program by tests that need a fault: see Tests/FaultShim.
        .library(name: "FaultShim", type: .dynamic, targets: ["FaultShim"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    ],
    // Dependencies point one way: commands → Sync, Verify, Replica, Export → Filesystem → Download → Store, S3, Inventory → Basics → C.
    targets: [
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(
            name: "CFuse3", path: "fuse/CFuse3", pkgConfig: "fuse3", providers: [.apt(["libfuse3-dev"])]),
        .systemLibrary(name: "CLinux"),
        .target(
            name: "Schema", path: "schema",
            resources: [
                .embedInCode("001-index.sql"), .embedInCode("002-prune.sql"), .embedInCode("003-states.sql"),
                .embedInCode("004-parts.sql"), .embedInCode("005-headers.sql"),
            ]),
        .target(name: "Basics", dependencies: ["CLinux", crypto, deque], swiftSettings: hot),
        .target(name: "Inventory", dependencies: ["Basics", "CZlib", heap], swiftSettings: hot),
        .target(name: "S3", dependencies: ["Basics", "CCurl", heap], swiftSettings: fuzzed),
        .target(name: "Model", dependencies: ["Basics", heap], swiftSettings: hot),
        .target(name: "SQLite", dependencies: ["Basics", sqlite], swiftSettings: hot),
        .target(name: "Packs", dependencies: ["Basics", "Model", heap], swiftSettings: hot),
        .target(name: "Blobs", dependencies: ["Basics", "Model", "Packs"]),
        .target(
            name: "Index", dependencies: ["Basics", "Blobs", "Model", "SQLite", "Schema", grdb, sqlite],
            swiftSettings: hot),
        .target(
            name: "Merge", dependencies: ["Basics", "Blobs", "Index", "Inventory", "Model", "SQLite"],
            swiftSettings: hot),
        .target(
            name: "Store",
            dependencies: ["Basics", "Blobs", "Index", "Inventory", "Merge", "Model", "Packs", "SQLite", sqlite],
            swiftSettings: hot),
        .target(
            name: "Download",
            dependencies: ["Basics", "Blobs", "CLinux", "Index", "Merge", "Model", "Packs", "S3", "Store"]),
        .target(name: "Survey", dependencies: ["Basics", "Index", "Model"], swiftSettings: hot),
        .target(name: "Web", dependencies: ["Basics", "Blobs", deque] + nio),
        .target(
            name: "Serving", dependencies: ["Basics", "Blobs", "Download", "Index", "Model", "S3", "Store"]),
        .target(
            name: "Gateway", dependencies: ["Basics", "Index", "Model", "Serving", "Web"], swiftSettings: fuzzed),
        .target(name: "Listing", dependencies: ["Basics", "CZlib", "Inventory", "S3"]),
        .target(
            name: "Verify",
            dependencies: [
                "Basics", "Blobs", "Download", "Index", "Inventory", "Merge", "Model", "Packs", "S3", "Store",
            ],
            swiftSettings: hot),
        .target(
            name: "Sync",
            dependencies: [
                "Basics", "Download", "Index", "Inventory", "Listing", "Merge", "Model", "S3", "SQLite", "Store",
            ]),
        .target(
            name: "Filesystem",
            dependencies: ["Basics", "Blobs", "CFuse3", "Download", "Index", "Model", "Packs", "S3", "Store"],
            path: "fuse/Filesystem"),
        .target(
            name: "Upload", dependencies: ["Basics", "Blobs", "Download", "Model", "S3", "SQLite", "Store"]),
        .target(
            name: "Replica",
            dependencies: [
                "Basics", "Blobs", "CZlib", "Download", "Index", "Merge", "Model", "Packs", "S3", "SQLite", "Store",
                "Upload",
            ]),
        .target(
            name: "Restore",
            dependencies: ["Basics", "Blobs", "Download", "Index", "Model", "S3", "SQLite", "Store", "Upload", deque]),
        .target(
            name: "Adopt",
            dependencies: ["Basics", "Blobs", "CLinux", "Download", "Index", "Merge", "Model", "SQLite", "Store"]),
        .target(
            name: "Packing",
            dependencies: ["Basics", "Blobs", "Download", "Index", "Model", "Packs", "SQLite", "Store"]),
        .target(
            name: "Export", dependencies: ["Basics", "Blobs", "CLinux", "Index", "Model", "Store"]),
        .target(
            name: "Page", dependencies: ["Basics", "Blobs", "Index", "Model", "Serving", "Survey", "Web"],
            resources: [
                .embedInCode("Assets/mark.svg"), .embedInCode("Assets/page.css"), .embedInCode("Assets/page.js"),
                .embedInCode("Assets/preview.css"),
            ]),
        .executableTarget(
            name: "icecore",
            dependencies: [
                "Adopt", "Basics", "Blobs", "Download", "Export", "Filesystem", "Gateway", "Index", "Inventory",
                "Listing", "Model", "Packing", "Page", "Replica", "Restore", "S3", "Serving", "Store", "Survey", "Sync",
                "Verify", "Web", argumentParser,
            ]),

        // Inventories of any size, made up, to test and to measure with.
        .target(
            name: "InventoryGenerator", dependencies: ["Basics", "CZlib"], path: "Benchmarks/InventoryGenerator"),
        .executableTarget(
            name: "icecore-bench-generate", dependencies: ["InventoryGenerator", argumentParser],
            path: "Benchmarks/Generate"),
        .executableTarget(
            name: "icecore-bench-inventory", dependencies: ["Basics", "CZlib", "Inventory", argumentParser],
            path: "Benchmarks/ReadInventory"),
        .executableTarget(
            name: "icecore-bench-listing", dependencies: ["Basics", "S3", argumentParser],
            path: "Benchmarks/ReadListing"),
        .executableTarget(
            name: "icecore-bench-packs", dependencies: ["Basics", "Model", "Packs", "Store", argumentParser],
            path: "Benchmarks/Packs"),
        .executableTarget(name: "icecore-bench-insert", dependencies: [sqlite], path: "Benchmarks/ClusteredInsert"),

        // What the tests share: the rules of docs/SEMANTICS.md as obvious code, and real servers to run against.
        .target(name: "ReferenceModel", dependencies: ["Basics", "CZlib"], path: "Tests/ReferenceModel"),
        .target(name: "Testbed", dependencies: ["Basics"], path: "Tests/Testbed", exclude: ["reports", "servers"]),
        .target(name: "FaultShim", path: "Tests/FaultShim"),
        .target(
            name: "FuzzTargets", dependencies: ["Basics", "Gateway", "Inventory", "Model", "Packs", "S3", "Store"],
            path: "Tests/Fuzz/Targets"),
        .testTarget(name: "FuzzTests", dependencies: ["Basics", "FuzzTargets"]),
        .testTarget(name: "BasicsTests", dependencies: ["Basics"]),
        .testTarget(name: "ModelTests", dependencies: ["Basics", "CZlib", "ReferenceModel"]),
        .testTarget(
            name: "InventoryTests", dependencies: ["Basics", "CZlib", "Inventory", "InventoryGenerator", "Model"],
            exclude: ["Fixtures"]),
        .testTarget(name: "PacksTests", dependencies: ["Basics", "Model", "Packs"], exclude: ["Fixtures"]),
        .testTarget(name: "S3Tests", dependencies: ["Basics", "S3", "Testbed"]),
        .testTarget(name: "WebTests", dependencies: ["Basics", "Testbed", "Web"]),
        .testTarget(name: "GatewayTests", dependencies: ["Basics", "Gateway", "Web"]),
        .testTarget(name: "SurveyTests", dependencies: ["Basics", "Page", "Survey"]),
        .testTarget(name: "ListingTests", dependencies: ["Basics", "Listing", "S3", "Testbed"]),
        .testTarget(
            name: "DownloadTests",
            dependencies: ["Basics", "Blobs", "Download", "Model", "Packs", "SQLite", "Store", "Testbed"]),
        .testTarget(
            name: "StoreTests",
            dependencies: [
                "Basics", "Blobs", "Index", "Merge", "Model", "ReferenceModel", "SQLite", "Store", "Testbed", sqlite,
            ]),
        .executableTarget(
            name: "mount-for-tests", dependencies: ["Basics", "Filesystem", "Model", "Store"],
            path: "Tests/MountProgram"),
        .testTarget(
            name: "FilesystemTests",
            dependencies: [
                "Basics", "CFuse3", "Filesystem", "Index", "Inventory", "Model", "ReferenceModel", "Store", "Testbed",
                "mount-for-tests", grdb,
            ]),
        .testTarget(
            name: "CommandTests",
            dependencies: [
                "icecore", "Basics", "Blobs", "CFuse3", "Model", "Packs", "ReferenceModel", "SQLite", "Store",
                "Testbed",
            ],
            exclude: ["Help", "Migrations/Fixtures", "Replicas/Fixtures"]),
    ] + fuzzProgram,
    swiftLanguageModes: [.v6]
)
