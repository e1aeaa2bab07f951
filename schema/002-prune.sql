-- What prunes leave behind. docs/FORMAT.md explains every column.

-- When the snapshot was dropped; NULL: it was not. Its place in the order of snapshots stays, for rows name it.
ALTER TABLE snapshot ADD COLUMN prunedAt INTEGER;

-- From when on everything is kept: of the whole store under the empty prefix, of contents below other prefixes.
CREATE TABLE prune (
    prefix TEXT PRIMARY KEY,
    horizon INTEGER NOT NULL,
    prunedAt INTEGER NOT NULL           -- when this was last done
) STRICT, WITHOUT ROWID;

-- Blobs that no row names any more and that are about to be removed: empty unless a prune was stopped.
CREATE TABLE doomed (
    name TEXT PRIMARY KEY,
    size INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
