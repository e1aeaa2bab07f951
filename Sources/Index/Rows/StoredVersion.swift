import Model

/// A version of a key, assembled from its rows.
package struct StoredVersion {
    package var evidence: VersionEvidence
    package var flags: EntryRow.Flags
    /// The rows as stored, by slot.
    package var rows: [StoredTenure]

    package init(evidence: VersionEvidence, flags: EntryRow.Flags, rows: [StoredTenure]) {
        self.evidence = evidence
        self.flags = flags
        self.rows = rows
    }
}
