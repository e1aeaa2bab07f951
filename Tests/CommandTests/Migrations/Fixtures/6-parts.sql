BEGIN TRANSACTION;
CREATE TABLE blob (
    etag TEXT NOT NULL,
    size INTEGER NOT NULL,
    partSize INTEGER,                   -- of a multipart upload
    sha256 BLOB, parts BLOB,                        -- the blob is x-<sha256>-<size>: its ETag is not the MD5 of anything
    PRIMARY KEY (etag, size)
) STRICT, WITHOUT ROWID;
INSERT INTO "blob" VALUES('0123456789abcdef0123456789abcdef',9,NULL,X'954D1BB83D80BB6F6E746B28F0DE3EC4C4ED980CFE67ED23A9159CD464FF339A',NULL);
INSERT INTO "blob" VALUES('76a2e90b68cac54b505e880262c0855d-2',5500000,5242880,NULL,NULL);
CREATE TABLE directory (
    id INTEGER PRIMARY KEY,
    parent INTEGER NOT NULL,
    name TEXT NOT NULL,                 -- the last component with its '/'
    slots INTEGER NOT NULL              -- slots given to entries so far; they are never given twice
) STRICT;
INSERT INTO "directory" VALUES(1,0,'',12);
INSERT INTO "directory" VALUES(2,1,'a/',1);
INSERT INTO "directory" VALUES(3,2,'/',1);
INSERT INTO "directory" VALUES(4,1,'k/',5);
INSERT INTO "directory" VALUES(5,1,'nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn/',1);
INSERT INTO "directory" VALUES(6,1,'shared/',2);
INSERT INTO "directory" VALUES(7,1,'z/',1);
INSERT INTO "directory" VALUES(8,1,'flip/',1);
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
INSERT INTO "entry" VALUES(0,'/',1,0,1709251200000,NULL,1,NULL,1,NULL,1,NULL,NULL,NULL,NULL);
INSERT INTO "entry" VALUES(1,'a/',1,0,1709251200000,NULL,1,NULL,1,NULL,2,NULL,NULL,NULL,NULL);
INSERT INTO "entry" VALUES(1,'empty',2,40,1709251200000,NULL,1,NULL,1,NULL,NULL,0,NULL,'a2e4822a98337283e39f7b60acf85ec9',X'D41D8CD98F00B204E9800998ECF8427E');
INSERT INTO "entry" VALUES(1,'flip',3,40,1709251200000,1709370000000,1,3,1,2,NULL,6,NULL,'4b3a800a6dbe20a712d59fa356c190ba',X'D6D0C756FB8ABFB33E652A20E85B70BC');
INSERT INTO "entry" VALUES(1,'flip',12,1,1709370000000,1709514000000,3,2,3,2,NULL,0,NULL,'marker-flip',NULL);
INSERT INTO "entry" VALUES(1,'flip/',11,0,1709373600000,NULL,3,NULL,3,NULL,8,NULL,NULL,NULL,NULL);
INSERT INTO "entry" VALUES(1,'gone',4,48,1709251200000,NULL,1,NULL,1,NULL,NULL,13,NULL,'04b5d8e287df561876adaf19c93b16f6',X'18022DD094171867BC09A449CB7C38BE');
INSERT INTO "entry" VALUES(1,'k/',5,0,1709287200000,NULL,1,NULL,1,NULL,4,NULL,NULL,NULL,NULL);
INSERT INTO "entry" VALUES(1,'nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn/',6,0,1709251200000,NULL,1,NULL,1,NULL,5,NULL,NULL,NULL,NULL);
INSERT INTO "entry" VALUES(1,'refused',7,288,1709251200000,NULL,1,NULL,1,NULL,NULL,18,NULL,'a687cf99d9fc055c16ef18bd65e2ca02',X'B40276A184BED1BC3C4E296618BB9284');
INSERT INTO "entry" VALUES(1,'secret',8,42,1709251200000,NULL,1,NULL,1,NULL,NULL,9,NULL,'f6d1723143734740e0fa572c51a55b83',X'0123456789ABCDEF0123456789ABCDEF');
INSERT INTO "entry" VALUES(1,'shared/',9,0,1709251200000,NULL,1,NULL,1,NULL,6,NULL,NULL,NULL,NULL);
INSERT INTO "entry" VALUES(1,'z/',10,0,1709251200000,NULL,1,NULL,1,NULL,7,NULL,NULL,NULL,NULL);
INSERT INTO "entry" VALUES(2,'/',1,0,1709251200000,NULL,1,NULL,1,NULL,3,NULL,NULL,NULL,NULL);
INSERT INTO "entry" VALUES(3,'b',1,40,1709251200000,NULL,1,NULL,1,NULL,NULL,7,NULL,'2f2c35db4b559fb52526367231a42ee2',X'56BB1B94EE9E9EEA535FC173E91C6EE0');
INSERT INTO "entry" VALUES(4,'one',1,40,1709287200000,1709373600000,1,3,1,2,NULL,1,NULL,'c8784cee3a31a0c16432aeeb2cce38e6',X'C4CA4238A0B923820DCC509A6F75849B');
INSERT INTO "entry" VALUES(4,'one',4,40,1709373600000,1709460000000,3,2,3,NULL,NULL,1,NULL,'c2dec01d53836225607d84175bda10c2',X'C81E728D9D4C2F636F067F89CC14862C');
INSERT INTO "entry" VALUES(4,'one',5,40,1709460000000,NULL,2,NULL,2,NULL,NULL,1,NULL,'f8e24a028407eafe8f901505142dff28',X'ECCBC87E4B5CE2FE28308FD9F2A7BAF3');
INSERT INTO "entry" VALUES(4,'tied',2,40,NULL,NULL,NULL,NULL,1,2,NULL,5,1709287200000,'b',X'8B04D5E3775D298E78455EFC5CA404D5');
INSERT INTO "entry" VALUES(4,'tied',3,40,1709287200000,NULL,1,NULL,1,NULL,NULL,6,NULL,'a',X'A9F0E61A137D86AA9DB53465E0801612');
INSERT INTO "entry" VALUES(5,'x',1,40,1709251200000,NULL,1,NULL,1,NULL,NULL,4,NULL,'1a3344f1d4c3a44d37cb3b037d8f3bb0',X'0F5264038205EDFB1AC05FBB0E8C5E94');
INSERT INTO "entry" VALUES(6,'a',1,40,1709251200000,NULL,1,NULL,1,NULL,NULL,8,NULL,'c2d32ba136235288316d45c9551bbe23',X'FEE20B26229738C1774D29F9AB268E1C');
INSERT INTO "entry" VALUES(6,'b',2,40,1709251200000,NULL,1,NULL,1,NULL,NULL,8,NULL,'67327df44d4f875f95592002c7044d6e',X'FEE20B26229738C1774D29F9AB268E1C');
INSERT INTO "entry" VALUES(7,'parted',1,40,1709251200000,NULL,1,NULL,1,NULL,NULL,5500000,NULL,'8c31b98bc2c49a847f8ac3855899cdc7',X'76A2E90B68CAC54B505E880262C0855D00000002');
INSERT INTO "entry" VALUES(8,'below',1,40,1709373600000,NULL,3,NULL,3,NULL,NULL,11,NULL,'1f69ddd4b9816eedc9f7af2b80d75595',X'E726968294584A1F21D2DF4B602504F3');
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
INSERT INTO "failure" VALUES('gone','04b5d8e287df561876adaf19c93b16f6','18022dd094171867bc09a449cb7c38be',13,1,'gone: the bucket no longer has it (NoSuchVersion)',1795938957484,'gone');
INSERT INTO "failure" VALUES('refused','a687cf99d9fc055c16ef18bd65e2ca02','b40276a184bed1bc3c4e296618bb9284',18,0,'no (AccessDenied, status 403); this needs s3:GetObject, and s3:ListBucket to be told when an object is gone',1795938957956,'refused');
CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
INSERT INTO "grdb_migrations" VALUES('001-index');
INSERT INTO "grdb_migrations" VALUES('002-prune');
INSERT INTO "grdb_migrations" VALUES('003-states');
INSERT INTO "grdb_migrations" VALUES('004-parts');
CREATE TABLE headerSet (
    id INTEGER PRIMARY KEY,
    headers TEXT NOT NULL UNIQUE        -- a JSON object, names in lower case
) STRICT;
CREATE TABLE longName (
    directory INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    name TEXT NOT NULL,                 -- the component, without '/'
    PRIMARY KEY (directory, sha256)
) STRICT, WITHOUT ROWID;
INSERT INTO "longName" VALUES(1,X'213B83271B358ED960938751E3F3F6D81CFB08FE1CB5424D1046BBBC6E6D1E3C','nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn');
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
INSERT INTO "snapshot" VALUES(1,'2024-03-02T01-00Z',1709341200000,1795938957605,X'CA09CF79CA1F474E2930F27687EEDDB1',0,NULL,NULL,13,12,5500080,NULL);
INSERT INTO "snapshot" VALUES(2,'2024-03-04T01-00Z',1709514000000,1795938957809,X'855E6BE4C42BD001CE8BA698D4AFA276',0,NULL,NULL,13,12,5500085,NULL);
INSERT INTO "snapshot" VALUES(3,'2024-03-03T01-00Z',1709427600000,1795938957964,X'096980A93E8AFD575C7421A964E15F8E',0,NULL,NULL,16,12,5500085,NULL);
CREATE TABLE total (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "total" VALUES('blobBytes',5500059);
INSERT INTO "total" VALUES('blobs',13);
INSERT INTO "total" VALUES('entryDigest',6362424232775488242);
INSERT INTO "total" VALUES('snapshotDigest',5746883549939408954);
INSERT INTO "total" VALUES('versionBytes',5500098);
INSERT INTO "total" VALUES('versions',17);
CREATE INDEX missing ON entry (directory) WHERE flags & 56 = 32;
CREATE INDEX absent ON entry (directory) WHERE flags & 8 = 0 AND flags & 852 <> 0;
COMMIT;
