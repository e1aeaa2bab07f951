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

from pyspark.sql import SparkSession

SIZE = """case when id % 97 = 13 then (id * 7919) % 1099511627776 * 1000 + 5 when id % 5000 < 100 then id
          when id % 5000 between 1000 and 1500 then 4096 else (id * 31) % 200 end"""
TIME = "timestamp_millis(1400000000000 + id * 37123 + if(id % 4 = 0, id % 1000, 0))"
COLUMNS = f"""
    'reef-survey' bucket;
    concat('projects/', lpad(cast(id div 200 as string), 3, '0'), '/chunk.', cast(id as string), '.zarr') key;
    if(id % 9 = 0, null, substring(sha2(cast(id as string), 256), 1, 32)) version_id;
    id % 3 > 0 is_latest; id % 50 = 7 is_delete_marker; {SIZE} size; {TIME} last_modified_date;
    md5(cast(id as string)) e_tag;
    element_at(array('STANDARD', 'GLACIER', 'DEEP_ARCHIVE'), cast(id % 3 + 1 as int)) storage_class;
    id % 10 = 1 is_multipart_uploaded; 'SSE-S3' encryption_status;
    cast(null as string) intelligent_tiering_access_tier"""
TEXTS = {"last_modified_date": "unix_millis(last_modified_date)"}


def text(name):
    if name.startswith("is_"):
        return f"cast(cast({name} as int) as string)"
    return f"coalesce(cast({TEXTS.get(name, name)} as string), '#N')"


def main(directory, count):
    os.makedirs(directory, exist_ok=True)
    session = (SparkSession.builder.master("local[1]").config("spark.driver.memory", "3g")
               .config("spark.sql.session.timeZone", "UTC").config("spark.ui.enabled", "false")
               .config("spark.driver.extraJavaOptions", "-Duser.timezone=UTC").getOrCreate())
    session.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MILLIS")
    table = session.range(0, count, 1, 1).selectExpr(*COLUMNS.replace("\n", " ").split(";"))
    work = os.path.join(directory, "work")
    for name, codec, version in (("java", "snappy", "PARQUET_1_0"), ("java-2", "gzip", "PARQUET_2_0")):
        folder = os.path.join(work, name)
        table.write.options(**{
            "compression": codec, "parquet.writer.version": version, "parquet.block.size": str(32 << 20),
        }).parquet(folder)
        os.replace(glob.glob(folder + "/*.parquet")[0], "%s/%s.parquet" % (directory, name))
    line = "concat_ws(chr(31), %s) as value" % ", ".join(text(name) for name in table.columns)
    table.selectExpr(line).write.text(work + "/txt")
    with open(glob.glob(work + "/txt/*.txt")[0], "rb") as source, open(directory + "/java.txt", "wb") as target:
        for row in source:
            target.write(row.replace(b"#N", b"\\N"))
    shutil.rmtree(work)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
