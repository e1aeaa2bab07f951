"""What the samples of writers in Java are made of: rows in the SQL of Spark, and their lines."""
import glob

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


def open_session():
    return (SparkSession.builder.master("local[1]").config("spark.driver.memory", "3g")
            .config("spark.sql.session.timeZone", "UTC").config("spark.ui.enabled", "false")
            .config("spark.driver.extraJavaOptions", "-Duser.timezone=UTC").getOrCreate())


def make_table(session, count):
    return session.range(0, count, 1, 1).selectExpr(*COLUMNS.replace("\n", " ").split(";"))


def write_lines(table, work, path):
    line = "concat_ws(chr(31), %s) as value" % ", ".join(text(name) for name in table.columns)
    table.selectExpr(line).write.text(work + "/txt")
    with open(glob.glob(work + "/txt/*.txt")[0], "rb") as source, open(path, "wb") as target:
        for row in source:
            target.write(row.replace(b"#N", b"\\N"))
