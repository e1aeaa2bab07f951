-- Why contents are not in the store. docs/FORMAT.md explains every column.

-- 'missing', 'archived', 'refused', 'encrypted' or 'gone'; with '?' before it: the sync that was told so has not ended, and it
-- is not believed yet; NULL: written by an older program, and "gone" says all there is.
ALTER TABLE failure ADD COLUMN state TEXT;

-- The rows whose blob is not here and is not expected either: what status counts.
CREATE INDEX absent ON entry (directory) WHERE flags & 8 = 0 AND flags & 852 <> 0;
