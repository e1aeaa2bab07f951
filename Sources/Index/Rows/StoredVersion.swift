import Model

/// The rows of one version of one key, put together.
package struct StoredVersion {
    package var evidence: VersionEvidence
    package var flags: EntryRow.Flags
    /// The rows as they stand, by slot.
    package var rows: [StoredTenure]

    package init(evidence: VersionEvidence, flags: EntryRow.Flags, rows: [StoredTenure]) {
        self.evidence = evidence
        self.flags = flags
        self.rows = rows
    }
}
