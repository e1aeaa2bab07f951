"""What docs/RECIPES.md reads, and a runner of what stands there.

    recipes.py write DIRECTORY                       two states of a bucket, below 1/ and 2/
    recipes.py run FILE ENDPOINT BUCKET STORE        runs its blocks in the current directory, and compares what they print

Blocks of Python share their names. A block that is followed by one of `text` has to print that. What begins with
`# not run`, and blocks of other languages, are left out. Prints, as JSON, how many were run and what differs.
"""

import contextlib
import io
import json
import os
import re
import subprocess
import sys


def write(directory):
    import numpy
    import pyarrow
    import pyarrow.parquet
    import xarray
    for state in 1, 2:
        root = f"{directory}/{state}"
        for site in "north", "south":
            table = pyarrow.table({"site": [site] * 1000, "value": [number * state for number in range(1000)]})
            pyarrow.parquet.write_to_dataset(table, f"{root}/table", partition_cols=["site"],
                                             basename_template="part-{i}.parquet", existing_data_behavior="overwrite_or_ignore")
        with open(f"{root}/bleaching.csv", "w") as file:
            file.write(f"site,bleached\nnorth,{10 * state}\nsouth,{20 * state}\n")
        celsius = numpy.repeat(numpy.arange(5.0) * state, 20).reshape(5, 20)
        reef = xarray.Dataset({"celsius": (("day", "site"), celsius)}, coords={"day": numpy.arange(5)})
        reef.to_zarr(f"{root}/temperature.zarr", mode="w")
    print("{}")


def blocks(file):
    """(language, text, what is to be printed or None)"""
    with open(file) as text:
        found = re.findall(r"^```(\w*)\n(.*?)^```$", text.read(), re.M | re.S)
    for place, (language, text) in enumerate(found):
        following = found[place + 1] if place + 1 < len(found) else ("", "")
        yield language, text, following[1] if following[0] == "text" else None


def run(file, endpoint, bucket, store):
    count, wrong, names = 0, [], {}
    for language, text, wanted in blocks(file):
        if language not in ("python", "sh") or text.startswith("# not run"):
            continue
        count += 1
        text = text.replace("http://127.0.0.1:9000", endpoint).replace("127.0.0.1:9000", endpoint.split("://")[1])
        text = text.replace("--store reef", f"--store '{store}'").replace("reef-survey", bucket)
        try:
            if language == "python":
                output = io.StringIO()
                with contextlib.redirect_stdout(output):
                    exec(compile(text, file, "exec"), names)
                printed = output.getvalue()
            else:
                printed = subprocess.run(["bash", "-euc", text], check=True, text=True, stdin=subprocess.DEVNULL,
                                         stdout=subprocess.PIPE, timeout=120).stdout
        except Exception as error:
            wrong.append([text, wanted, f"{type(error).__name__}: {error}"])
            continue
        if printed != (wanted or ""):
            wrong.append([text, wanted, printed])
    print(json.dumps({"count": count, "wrong": wrong}))


os.environ.pop("PYTHONWARNINGS", None)
if sys.argv[1] == "write":
    write(sys.argv[2])
else:
    run(*sys.argv[2:])
