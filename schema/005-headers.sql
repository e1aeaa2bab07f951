-- Headers of every version, in its rows. docs/FORMAT.md explains every column. The rows of "objectHeaders" are moved into
-- those of "entry" by the program before this step drops the table.

-- The id of a header set; NULL: nothing worth keeping, if the flag 1024 says that the headers are known.
ALTER TABLE entry ADD COLUMN headers INTEGER;
DROP TABLE IF EXISTS objectHeaders;
