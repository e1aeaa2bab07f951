"""Files of two dates for libraries that read S3 by themselves, and what these make of them.

    readers.py write DIRECTORY                            two states of a table and an array, below 1/ and 2/
    readers.py read ENDPOINT BUCKET [BUCKET …]            prints, as JSON, what each bucket says
"""

import json
import sys

import numpy
import pyarrow
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet
import s3fs
import zarr

PREFIX = "data 1+2/ü"


def write(directory):
    for state in 1, 2:
        root = f"{directory}/{state}/{PREFIX}"
        for site in "north", "south":
            table = pyarrow.table({"site": [site] * 1000, "value": [number * state for number in range(1000)]})
            pyarrow.parquet.write_to_dataset(table, f"{root}/table", partition_cols=["site"],
                                             basename_template="part-{i}.parquet", existing_data_behavior="overwrite_or_ignore")
        array = zarr.create_array(f"{root}/celsius.zarr", shape=(400, 300), chunks=(100, 100), dtype="f8")
        array[:] = numpy.arange(120_000).reshape(400, 300) * state
    print("{}")


def read(endpoint, bucket):
    host = endpoint.split("://")[1]
    arrow = pyarrow.fs.S3FileSystem(access_key="any", secret_key="any", endpoint_override=host, scheme="http", region="us-east-1")
    table = pyarrow.dataset.dataset(f"{bucket}/{PREFIX}/table", filesystem=arrow, partitioning="hive").to_table()
    names = arrow.get_file_info(pyarrow.fs.FileSelector(f"{bucket}/{PREFIX}", recursive=True))
    remote = s3fs.S3FileSystem(key="any", secret="any", endpoint_url=endpoint, client_kwargs={"region_name": "us-east-1"})
    found = remote.find(f"{bucket}/{PREFIX}")
    store = zarr.storage.FsspecStore.from_url(
        f"s3://{bucket}/{PREFIX}/celsius.zarr", read_only=True,
        storage_options={"key": "any", "secret": "any", "endpoint_url": endpoint, "client_kwargs": {"region_name": "us-east-1"}})
    array = zarr.open_array(store, mode="r")
    return {
        "rows": table.num_rows, "sites": sorted(set(table["site"].to_pylist())), "sum": sum(table["value"].to_pylist()),
        "arrowFiles": sum(name.is_file for name in names), "fsspecFiles": len(found),
        "arraySum": float(array[:].sum()), "corner": float(array[399, 299])}


def main():
    if sys.argv[1] == "write":
        write(sys.argv[2])
    else:
        print(json.dumps({bucket: read(sys.argv[2], bucket) for bucket in sys.argv[3:]}))


main()
