import Model

/// A version of a key, assembled from its rows.
package struct StoredVersion {
    package var evidence: VersionEvidence
    package var flags: EntryRow.Flags
    /// The id of the version's header set; 0: none, or nothing known.
    package var headers: Int64 = 0
    /// The rows as stored, by slot.
    package var rows: [StoredTenure]

    package init(evidence: VersionEvidence, flags: EntryRow.Flags, rows: [StoredTenure]) {
        self.evidence = evidence
        self.flags = flags
        self.rows = rows
    }
}
