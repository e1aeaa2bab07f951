"""Fills a bucket with small objects. usage: fill.py ENDPOINT COUNT"""

import concurrent.futures
import sys

import boto3
import botocore.config

client = boto3.client(
    "s3", endpoint_url=sys.argv[1], region_name="us-east-1",
    config=botocore.config.Config(max_pool_connections=16, s3={"addressing_style": "path"}))
client.create_bucket(Bucket="bench")
client.put_bucket_versioning(Bucket="bench", VersioningConfiguration={"Status": "Enabled"})
count = int(sys.argv[2])


def put(number):
    # One in ten is of a key that there is already.
    number -= number % 10 == 9
    client.put_object(Bucket="bench", Key=f"data/{number // 1000:04}/part-{number:09}", Body=b"x")


with concurrent.futures.ThreadPoolExecutor(16) as pool:
    for _ in pool.map(put, range(count)):
        pass
