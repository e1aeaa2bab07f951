#!/usr/bin/python3
"""Writes Parquet files by the writer that AWS uses, parquet-java, and beside them the values, as parquet-samples.py does.
It needs Java and pyspark from PyPI. usage: parquet-java.py DIRECTORY ROWS

java.parquet (pages of the first version, Snappy), java-2.parquet (of the second, GZIP) and java.txt in this folder are of
200 rows. To try 2 million:

    parquet-java.py /tmp/parquet-java 2000000
    ICECORE_PARQUET_JAVA=/tmp/parquet-java …/icecorePackageTests.xctest --testing-library swift-testing \\
        --filter ParquetFileTests
"""
import glob
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from java_rows import make_table, open_session, write_lines  # noqa: E402


def main(directory, count):
    os.makedirs(directory, exist_ok=True)
    session = open_session()
    session.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MILLIS")
    table = make_table(session, count)
    work = os.path.join(directory, "work")
    for name, codec, version in (("java", "snappy", "PARQUET_1_0"), ("java-2", "gzip", "PARQUET_2_0")):
        folder = os.path.join(work, name)
        table.write.options(**{
            "compression": codec, "parquet.writer.version": version, "parquet.block.size": str(32 << 20),
        }).parquet(folder)
        os.replace(glob.glob(folder + "/*.parquet")[0], "%s/%s.parquet" % (directory, name))
    write_lines(table, work, directory + "/java.txt")
    shutil.rmtree(work)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
