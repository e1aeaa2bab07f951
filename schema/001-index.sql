-- The index of a store, format 1. docs/FORMAT.md explains every column; here stands what the columns are.
-- Times are milliseconds since 1970-01-01T00:00:00Z.

-- One synced inventory. Order: takenAt, then name. Intervals of snapshots name their ends by id and are compared in
-- that order, so that an older inventory can be synced after a newer one without touching other rows.
CREATE TABLE snapshot (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    takenAt INTEGER NOT NULL,
    syncedAt INTEGER NOT NULL,
    manifestMD5 BLOB NOT NULL,
    metadataOnly INTEGER NOT NULL,      -- what it was synced with: nothing was asked for,
    filter TEXT,                        -- or only keys that match this,
    permanentFilter TEXT,               -- and the store's own filter at that time
    rowCount INTEGER NOT NULL,
    keys INTEGER NOT NULL,              -- keys in its view
    bytes INTEGER NOT NULL              -- and the sum of their sizes
) STRICT;

-- A prefix of keys that ends with '/'. The root is 1: the empty prefix.
CREATE TABLE directory (
    id INTEGER PRIMARY KEY,
    parent INTEGER NOT NULL,
    name TEXT NOT NULL,                 -- the last component with its '/'
    slots INTEGER NOT NULL              -- slots given to entries so far; they are never given twice
) STRICT;

-- What directories contain. One row is one tenure of a version, or of a directory:
-- version × [validFrom, validTo) in time × [seenFrom, seenTo) in snapshots that mark it latest × [listedFrom, listedTo)
-- in snapshots that list it. A "from" of NULL: the interval is empty. A "to" of NULL: it is open.
CREATE TABLE entry (
    directory INTEGER NOT NULL,
    name TEXT NOT NULL,                 -- the rest of the key; with '/' at its end: a directory
    slot INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    validFrom INTEGER,
    validTo INTEGER,
    seenFrom INTEGER,
    seenTo INTEGER,
    listedFrom INTEGER,
    listedTo INTEGER,
    child INTEGER,                      -- the directory's id; the columns below are NULL then
    size INTEGER,
    lastModified INTEGER,               -- NULL: the same as validFrom
    versionId TEXT,                     -- NULL: unknown
    etag,                               -- 16 bytes, 20 with the number of parts (big-endian), TEXT: verbatim; NULL: marker
    PRIMARY KEY (directory, name, slot)
) WITHOUT ROWID;

-- The rows whose blob was asked for and is neither here nor gone for good: empty in a complete store.
CREATE INDEX missing ON entry (directory) WHERE flags & 56 = 32;

-- Names that no file system can hold, by the digest that stands for them in a mount.
CREATE TABLE longName (
    directory INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    name TEXT NOT NULL,                 -- the component, without '/'
    PRIMARY KEY (directory, sha256)
) STRICT, WITHOUT ROWID;

-- What a blob's ETag does not say.
CREATE TABLE blob (
    etag TEXT NOT NULL,
    size INTEGER NOT NULL,
    partSize INTEGER,                   -- of a multipart upload
    sha256 BLOB,                        -- the blob is x-<sha256>-<size>: its ETag is not the MD5 of anything
    PRIMARY KEY (etag, size)
) STRICT, WITHOUT ROWID;

-- Headers that came with objects: most have none worth keeping.
CREATE TABLE headerSet (
    id INTEGER PRIMARY KEY,
    headers TEXT NOT NULL UNIQUE        -- a JSON object, names in lower case
) STRICT;
CREATE TABLE objectHeaders (
    key TEXT NOT NULL,
    versionId TEXT NOT NULL,            -- '' if unknown
    etag TEXT NOT NULL,
    headerSet INTEGER NOT NULL,
    PRIMARY KEY (key, versionId, etag)
) STRICT, WITHOUT ROWID;

-- Objects that could not be had, and why.
CREATE TABLE failure (
    key TEXT NOT NULL,
    versionId TEXT NOT NULL,            -- '' if unknown
    etag TEXT NOT NULL,
    size INTEGER NOT NULL,
    gone INTEGER NOT NULL,              -- 1: for good; asked for again only if an inventory taken later lists it
    reason TEXT NOT NULL,
    failedAt INTEGER NOT NULL,
    PRIMARY KEY (key, versionId, etag)
) STRICT, WITHOUT ROWID;

-- Sums that would take a scan: versions known, their bytes (each version on its own), blobs stored, their bytes.
CREATE TABLE total (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO total (name, value) VALUES ('versions', 0), ('versionBytes', 0), ('blobs', 0), ('blobBytes', 0);
INSERT INTO directory (id, parent, name, slots) VALUES (1, 0, '', 0);
