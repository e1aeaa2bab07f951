import Basics
import Index
import Model
import Serving

/// ListObjectVersions: all versions in the bucket of the latest view, what is shown in others.
struct VersionListing {
    private let bucket: ServedBucket
    private let query: ListingQuery
    private let keyMarker: [UInt8]
    private let versionMarker: [UInt8]

    init(_ call: S3Call, _ bucket: ServedBucket) throws(S3Refusal) {
        self.bucket = bucket
        query = try ListingQuery(call)
        keyMarker = call.query["key-marker"] ?? []
        versionMarker = call.query["version-id-marker"] ?? []
        if !versionMarker.isEmpty, keyMarker.isEmpty {
            throw .invalidArgument(
                "A version-id marker cannot be specified without a key marker.", "version-id-marker", versionMarker)
        }
    }

    private struct VersionPage {
        var contents = XMLWriter()
        var prefixes: [[UInt8]] = []
        var count = 0
        var isTruncated = false
        var last: (key: [UInt8], versionId: [UInt8]) = ([], [])
    }

    func document(_ state: ServedReader) throws -> [UInt8] {
        let page = try page(state)
        var xml = XMLWriter("ListVersionsResult")
        xml.element("Name", bucket.name)
        query.element("Prefix", query.prefix, to: &xml)
        query.element("KeyMarker", keyMarker, to: &xml)
        xml.element("VersionIdMarker", versionMarker)
        if page.isTruncated {
            query.element("NextKeyMarker", page.last.key, to: &xml)
            if !page.last.versionId.isEmpty { xml.element("NextVersionIdMarker", page.last.versionId) }
        }
        query.end(page.isTruncated, to: &xml)
        xml.append(page.contents)
        query.writePrefixes(page.prefixes, to: &xml)
        return xml.end("ListVersionsResult")
    }

    private func page(_ state: ServedReader) throws -> VersionPage {
        var page = VersionPage()
        var bounds = query.bounds
        guard query.maxKeys > 0 else { return page }
        if !versionMarker.isEmpty {
            try resume(&page, state)
            if page.isTruncated { return page }
        }
        if !keyMarker.isEmpty, !bounds.begin(after: keyMarker) { return page }
        if bucket.hasVersions {
            try state.index.listVersions(bounds) { item in
                switch item {
                case .prefix(let prefix): return add(prefix: prefix, to: &page)
                case .key(let key, let versions): return add(key, PublicVersion.all(versions)[...], to: &page)
                }
            }
        } else {
            try state.index.list(bounds, bucket.view) { item in
                switch item {
                case .prefix(let prefix): return add(prefix: prefix, to: &page)
                case .key(let key, let row):
                    let version = PublicVersion(
                        id: PublicVersion.id(row.identity), identity: row.identity, flags: row.flags, isLatest: true)
                    return add(key, [version], to: &page)
                }
            }
        }
        return page
    }

    /// Adds what the key of the marker has after the version of the marker.
    private func resume(_ page: inout VersionPage, _ state: ServedReader) throws {
        guard keyMarker.starts(with: query.prefix), bucket.hasVersions,
            let versions = try state.index.versions(ofKey: keyMarker)
        else { return }
        let all = PublicVersion.all(versions)
        guard let place = all.firstIndex(where: { $0.id == versionMarker }) else {
            throw S3Refusal.invalidArgument("Invalid version id specified", "version-id-marker", versionMarker)
        }
        _ = add(keyMarker, all[(place + 1)...], to: &page)
    }

    private func add(prefix: [UInt8], to page: inout VersionPage) -> Bool {
        guard page.count < query.maxKeys else {
            page.isTruncated = true
            return false
        }
        page.count += 1
        page.prefixes.append(prefix)
        page.last = (prefix, [])
        return true
    }

    private func add(_ key: [UInt8], _ versions: ArraySlice<PublicVersion>, to page: inout VersionPage) -> Bool {
        for version in versions {
            guard page.count < query.maxKeys else {
                page.isTruncated = true
                return false
            }
            page.count += 1
            page.last = (key, version.id)
            let name: StaticString = version.identity.isMarker ? "DeleteMarker" : "Version"
            page.contents.open(name)
            query.element("Key", key, to: &page.contents)
            page.contents.element("VersionId", version.id)
            page.contents.element("IsLatest", version.isLatest)
            if version.identity.isMarker {
                page.contents.element("LastModified", version.identity.lastModified.listed)
            } else {
                page.contents.writeVersion(version.identity, version.flags)
            }
            Owner.write("Owner", to: &page.contents)
            page.contents.close(name)
        }
        return true
    }
}

/// A version under the id that clients name it by.
struct PublicVersion {
    var id: [UInt8]
    var identity: VersionIdentity
    var flags: EntryRow.Flags
    var isLatest: Bool

    private static let null = Array("null".utf8)

    /// The id that S3 gave, `null` for the version without one.
    static func id(_ identity: VersionIdentity) -> [UInt8] {
        guard let id = identity.versionId, !id.isEmpty else { return null }
        return id
    }

    /// The versions of a key, newest first. S3 has one `null` at a time, and replaces it: those that it had before get ids of
    /// this server's own.
    static func all(_ versions: KeyVersions) -> [PublicVersion] {
        var hasNull = false
        return versions.versions.map { version in
            var id = id(version.identity)
            if id == null {
                if hasNull { id += Array(".\(version.slot)".utf8) }
                hasNull = true
            }
            return PublicVersion(
                id: id, identity: version.identity, flags: version.flags, isLatest: version.isLatest)
        }
    }
}
