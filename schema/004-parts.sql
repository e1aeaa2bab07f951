-- Multipart uploads whose parts are not of one size. docs/FORMAT.md explains every column.

-- For each run of parts of one size: their number (4 bytes) and their size (8 bytes), big-endian. NULL: partSize says it.
ALTER TABLE blob ADD COLUMN parts BLOB;
