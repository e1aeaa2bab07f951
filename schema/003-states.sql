-- Why contents are not in the store. docs/FORMAT.md explains every column.

-- 'missing', 'archived', 'refused', 'encrypted', 'gone', or 'unlisted': gone because it was refused and no inventory lists
-- it any more; NULL: written by an older program, and "gone" says all there is.
ALTER TABLE failure ADD COLUMN state TEXT;

-- What the source denies in a download that has not ended: not believed yet. Empty otherwise.
CREATE TABLE loss (
    key TEXT NOT NULL,
    versionId TEXT NOT NULL,
    etag TEXT NOT NULL,
    size INTEGER NOT NULL,
    gone INTEGER NOT NULL,
    reason TEXT NOT NULL,
    failedAt INTEGER NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (key, versionId, etag)
) STRICT, WITHOUT ROWID;

-- The rows whose blob is not here and is not expected either: what status counts.
CREATE INDEX absent ON entry (directory) WHERE flags & 8 = 0 AND flags & 852 <> 0;
