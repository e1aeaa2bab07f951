BEGIN TRANSACTION;
CREATE TABLE blob (
    etag TEXT NOT NULL,
    size INTEGER NOT NULL,
    partSize INTEGER,                   -- of a multipart upload
    sha256 BLOB, parts BLOB,                        -- the blob is x-<sha256>-<size>: its ETag is not the MD5 of anything
    PRIMARY KEY (etag, size)
) STRICT, WITHOUT ROWID;
CREATE TABLE directory (
    id INTEGER PRIMARY KEY,
    parent INTEGER NOT NULL,
    name TEXT NOT NULL,                 -- the last component with its '/'
    slots INTEGER NOT NULL              -- slots given to entries so far; they are never given twice
) STRICT;
INSERT INTO "directory" VALUES(1,0,'',3);
INSERT INTO "directory" VALUES(2,1,'a/',3);
INSERT INTO "directory" VALUES(3,1,'b/',1);
CREATE TABLE doomed (
    name TEXT PRIMARY KEY,
    size INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
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
INSERT INTO "entry" VALUES(0,'/',1,0,1706745600000,NULL,1,NULL,1,NULL,1,NULL,NULL,NULL,NULL);
INSERT INTO "entry" VALUES(1,'a/',1,0,1706745600000,NULL,1,NULL,1,NULL,2,NULL,NULL,NULL,NULL);
INSERT INTO "entry" VALUES(1,'b/',2,0,1709251200000,NULL,1,NULL,1,NULL,3,NULL,NULL,NULL,NULL);
INSERT INTO "entry" VALUES(1,'plain',3,40,1709251200000,NULL,1,NULL,1,NULL,NULL,20,NULL,'d42c2ac648a4532b1d3c32bdb7ba2744',X'CFDDE67FD48F710351A0DC594C8DF40D');
INSERT INTO "entry" VALUES(2,'twice',1,40,1706745600000,1706832000000,NULL,NULL,1,NULL,NULL,5,NULL,'adcaf6108d78c5e3a8e623e6e97214b5',X'6A3A6F6E33217AFA6373DF9D6B2E8A00');
INSERT INTO "entry" VALUES(2,'twice',2,40,1706832000000,NULL,1,NULL,1,NULL,NULL,5,NULL,'af9e5f6eec24510990256c5ae5b9f409',X'0C10F4A0C12BA89211235026B861263D');
INSERT INTO "entry" VALUES(2,'typed',3,40,1709251200000,NULL,1,NULL,1,NULL,NULL,11,NULL,'1640f9ca411a2e61ed607435173d4fa9',X'95F15208042360FC5E8F2C67351A94B0');
INSERT INTO "entry" VALUES(3,'other',1,40,1709251200000,NULL,1,NULL,1,NULL,NULL,11,NULL,'other',X'95F15208042360FC5E8F2C67351A94B0');
CREATE TABLE failure (
    key TEXT NOT NULL,
    versionId TEXT NOT NULL,            -- '' if unknown
    etag TEXT NOT NULL,
    size INTEGER NOT NULL,
    gone INTEGER NOT NULL,              -- 1: for good; asked for again only if an inventory taken later lists it
    reason TEXT NOT NULL,
    failedAt INTEGER NOT NULL, state TEXT,
    PRIMARY KEY (key, versionId, etag)
) STRICT, WITHOUT ROWID;
CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
INSERT INTO "grdb_migrations" VALUES('001-index');
INSERT INTO "grdb_migrations" VALUES('002-prune');
INSERT INTO "grdb_migrations" VALUES('003-states');
INSERT INTO "grdb_migrations" VALUES('004-parts');
CREATE TABLE headerSet (
    id INTEGER PRIMARY KEY,
    headers TEXT NOT NULL UNIQUE        -- a JSON object, names in lower case
) STRICT;
INSERT INTO "headerSet" VALUES(1,'{"content-encoding":"gzip","content-type":"text/x-typed"}');
INSERT INTO "headerSet" VALUES(2,'{"content-type":"text/x-typed","note":"one two"}');
CREATE TABLE longName (
    directory INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    name TEXT NOT NULL,                 -- the component, without '/'
    PRIMARY KEY (directory, sha256)
) STRICT, WITHOUT ROWID;
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
CREATE TABLE objectHeaders (
    key TEXT NOT NULL,
    versionId TEXT NOT NULL,            -- '' if unknown
    etag TEXT NOT NULL,
    headerSet INTEGER NOT NULL,
    PRIMARY KEY (key, versionId, etag)
) STRICT, WITHOUT ROWID;
INSERT INTO "objectHeaders" VALUES('a/twice','adcaf6108d78c5e3a8e623e6e97214b5','6a3a6f6e33217afa6373df9d6b2e8a00',1);
INSERT INTO "objectHeaders" VALUES('a/twice','af9e5f6eec24510990256c5ae5b9f409','0c10f4a0c12ba89211235026b861263d',2);
INSERT INTO "objectHeaders" VALUES('a/typed','1640f9ca411a2e61ed607435173d4fa9','95f15208042360fc5e8f2c67351a94b0',2);
CREATE TABLE prune (
    prefix TEXT PRIMARY KEY,
    horizon INTEGER NOT NULL,
    prunedAt INTEGER NOT NULL           -- when this was last done
) STRICT, WITHOUT ROWID;
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
, prunedAt INTEGER) STRICT;
INSERT INTO "snapshot" VALUES(1,'2024-03-02T01-00Z',1709341200000,1795938955821,X'EA4BB7D434632A7310B3732A06C70AFC',0,NULL,NULL,5,4,47,NULL);
CREATE TABLE total (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "total" VALUES('blobBytes',41);
INSERT INTO "total" VALUES('blobs',4);
INSERT INTO "total" VALUES('entryDigest',7008107682835535292);
INSERT INTO "total" VALUES('snapshotDigest',-8531621701842594259);
INSERT INTO "total" VALUES('versionBytes',52);
INSERT INTO "total" VALUES('versions',5);
CREATE INDEX missing ON entry (directory) WHERE flags & 56 = 32;
CREATE INDEX absent ON entry (directory) WHERE flags & 8 = 0 AND flags & 852 <> 0;
COMMIT;
