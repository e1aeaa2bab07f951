import Basics
import Foundation
import Glibc
import Packs
import Store

/// A pack that is to be checked.
struct PackTarget: Sendable {
    let name: PackName
    /// In the catalogue; nil: that does not list the pack, or cannot be believed.
    let number: UInt32?
    /// What the catalogue says that it has.
    let sum: EntrySum?
}

/// The catalogue of packs, checked: which packs there have to be, and what is in each of them.
struct CatalogueCheck: Sendable {
    /// Those that the catalogue lists, whether they are there or not, and all others that are there.
    private(set) var targets: [PackTarget] = []
    /// Nil if there is none, or it is damaged.
    private(set) var catalogue: PackCatalogue?
    /// What is wrong with it, as a sentence without a subject.
    private(set) var damage: String?
    /// Whether all contents that packs have can be found.
    var isTrusted: Bool { damage == nil }

    static let path = "packs/catalogue"

    init(_ store: Store) throws {
        let folder = store.packs.folder
        var sums: [UInt32: EntrySum] = [:]
        do {
            let found = try PackCatalogue(path: folder.cataloguePath)
            if try found.isWhole() {
                sums = try found.entrySums()
                catalogue = found
            } else {
                damage = "has another SHA-256 than it says"
            }
        } catch let error as IcecoreError {
            switch error.code {
            case .damaged, .invalidData: damage = error.withoutSubject(folder.cataloguePath)
            case .notFound: damage = nil
            default:
                guard error.errno == EIO || error.errno == EISDIR else { throw error }
                damage = "cannot be read: \(String(cString: strerror(error.errno)))"
            }
        }
        let listed = catalogue?.packs ?? [:]
        for (number, name) in listed { targets.append(PackTarget(name: name, number: number, sum: sums[number])) }
        let names = Set(listed.values)
        try folder.forEach { name in
            if !names.contains(name) { targets.append(PackTarget(name: name, number: nil, sum: nil)) }
        }
        if catalogue == nil, damage == nil, !targets.isEmpty { damage = "is not there, but packs are" }
        targets.sort { $0.name.digest.lexicographicallyPrecedes($1.name.digest) }
    }
}

extension IcecoreError {
    /// The message as a sentence without a subject, if that is a file.
    func withoutSubject(_ path: String) -> String {
        guard let name = message.range(of: "'\(path)' ") else { return message }
        return String(message[name.upperBound...])
    }
}
