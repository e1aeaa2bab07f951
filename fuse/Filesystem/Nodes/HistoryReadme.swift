/// The file that explains a mount with `--history` to whoever finds it.
enum HistoryReadme {
    static let text = """
        This is an S3 bucket with its past, mounted read-only by icecore.

        latest/      the bucket as the newest synced inventory lists it. It moves on when 'icecore sync' commits.
        at/          the bucket as it was. The listing shows the synced inventories; any other date opens when named:
                         at/2024-11-06T01-00Z        exactly what this inventory lists
                         at/2024-11-06               the last inventory of that day, else the end of that day (UTC)
                         at/2024-11-06T12:00:00Z     what was current at that instant, by all versions known
                         at/3d, at/2w, at/1y         so long ago (counted anew every minute)
        versions/    every version of every key: versions/<path of the key>/<lastModified>_<versionId>
                         A delete marker is an empty file that nobody may read (mode 0000).
                         An unknown version id leaves nothing after the '_'.

        Each file says where it comes from:

            getfattr -d -m user.icecore FILE

        Keys that are no possible paths (a//b, ., .., a beside a/b, very long names) have names that begin with
        '.icecore-'; docs/SEMANTICS.md explains them. user.icecore.key always holds the key itself.

        """
}
