#!/usr/bin/python3
"""Writes an ORC file by the writer that AWS uses, ORC Java, and beside it the values, as orc-samples.py does. It needs
Java and pyspark from PyPI. usage: orc-java.py DIRECTORY ROWS

java.orc and java.txt in this folder are of 700 rows. To try 2 million, in four stripes, with dictionaries that have been
given up and every kind of run:

    orc-java.py /tmp/orc-java 2000000
    ICECORE_ORC_JAVA=/tmp/orc-java …/icecorePackageTests.xctest --testing-library swift-testing --filter ORCFileTests
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
    table = make_table(session, count)
    work = os.path.join(directory, "work")
    table.write.option("compression", "zlib").option("orc.stripe.size", str(32 << 20)).orc(work + "/orc")
    os.replace(glob.glob(work + "/orc/*.orc")[0], directory + "/java.orc")
    write_lines(table, work, directory + "/java.txt")
    shutil.rmtree(work)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
