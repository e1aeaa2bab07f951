"""What tests do to a bucket, and the inventories that AWS would write of it.

usage: s3admin.py ENDPOINT ACCESS-KEY SECRET-KEY
Commands are JSON objects, one a line on standard input: {"do": NAME, ...}; the answer is one line, {"error": text} if it
failed. Bodies are base64. It ends with its standard input. The commands are the functions below.
"""

import base64
import concurrent.futures
import datetime
import gzip
import hashlib
import io
import json
import os
import random
import sys
import urllib.parse
import uuid

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, access_key, secret_key = sys.argv[1:4]
s3 = boto3.client(
    "s3", endpoint_url=endpoint, aws_access_key_id=access_key or None, aws_secret_access_key=secret_key or None,
    region_name="us-east-1",
    config=Config(
        s3={"addressing_style": "path"}, max_pool_connections=16, retries={"max_attempts": 3},
        request_checksum_calculation="when_required", response_checksum_validation="when_required",
        signature_version=UNSIGNED if not access_key else "s3v4"))


def create_bucket(bucket, versioned=True, public=False):
    s3.create_bucket(Bucket=bucket, **({"ACL": "public-read"} if public else {}))
    if versioned:
        set_versioning(bucket, "Enabled")
    if public:
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow", "Principal": "*",
                "Action": ["s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket"],
                "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]}]}))
    return {}


def deny(bucket, key, public=False):
    """Nobody may read one key, not even the owner; if the bucket is public, everybody the others."""
    def statement(effect, actions, *resources):
        return {"Effect": effect, "Principal": "*", "Action": [f"s3:{action}" for action in actions],
                "Resource": [f"arn:aws:s3:::{resource}" for resource in resources]}

    statements = [statement("Deny", ["GetObject", "GetObjectVersion"], f"{bucket}/{key}")]
    if public:
        statements.append(
            statement("Allow", ["GetObject", "GetObjectVersion", "ListBucket"], bucket, f"{bucket}/*"))
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    return {}


def set_versioning(bucket, status):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
    return {}


def content(item):
    """`body` (base64), what is in `file`, which is removed, or `size` bytes that depend on `seed`."""
    if "file" in item:
        with open(item["file"], "rb") as file:
            body = file.read()
        os.remove(item["file"])
        return body
    if "body" in item:
        return base64.b64decode(item["body"])
    return random.Random(item.get("seed", 0)).randbytes(item.get("size", 0))


def headers(item):
    names = {
        "contentType": "ContentType", "contentEncoding": "ContentEncoding", "metadata": "Metadata",
        "cacheControl": "CacheControl", "contentDisposition": "ContentDisposition",
        "contentLanguage": "ContentLanguage", "checksum": "ChecksumAlgorithm", "expires": "Expires", "redirect": "WebsiteRedirectLocation"}
    found = {names[name]: item[name] for name in names if item.get(name)}
    if item.get("tags"):
        found["Tagging"] = urllib.parse.urlencode(item["tags"], quote_via=urllib.parse.quote)
    return found


def put(bucket, key, partSize=None, partSizes=None, **item):
    body = content(item)
    if partSize is None and partSizes is None:
        done = s3.put_object(Bucket=bucket, Key=key, Body=body, **headers(item))
        return {"versionId": done.get("VersionId"), "etag": done["ETag"].strip('"')}
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key, **headers(item))["UploadId"]
    parts = []
    start = 0
    checksum = {"ChecksumAlgorithm": item["checksum"]} if item.get("checksum") else {}
    for number, size in enumerate(partSizes or [partSize] * max(1, -(-len(body) // partSize)), 1):
        part = s3.upload_part(
            Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=body[start:start + size], **checksum)
        sums = {name: part[name] for name in part if name.startswith("Checksum") and name != "ChecksumType"}
        parts.append({"PartNumber": number, "ETag": part["ETag"], **sums})
        start += size
    done = s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
    # Ceph's answer lacks the ETag.
    etag = (done.get("ETag") or s3.head_object(Bucket=bucket, Key=key)["ETag"]).strip('"')
    return {"versionId": done.get("VersionId"), "etag": etag}


def put_many(bucket, items):
    """Items as for `put`; several at a time, but those of one key in their order."""
    by_key = {}
    for index, item in enumerate(items):
        by_key.setdefault(item["key"], []).append((index, item))

    def put_all(entries):
        return [(index, put(bucket, **item)) for index, item in entries]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = dict(pair for pairs in pool.map(put_all, by_key.values()) for pair in pairs)
    return {"results": [results[index] for index in range(len(items))]}


def delete(bucket, key):
    return {"versionId": s3.delete_object(Bucket=bucket, Key=key).get("VersionId")}


def delete_version(bucket, key, versionId):
    s3.delete_object(Bucket=bucket, Key=key, VersionId=versionId)
    return {}


def get(bucket, key, versionId=None):
    extra = {"VersionId": versionId} if versionId else {}
    return {"body": base64.b64encode(s3.get_object(Bucket=bucket, Key=key, **extra)["Body"].read()).decode()}


KEPT_HEADERS = {
    "content-type", "content-encoding", "cache-control", "content-disposition", "content-language", "expires",
    "x-amz-website-redirect-location"}


def set_tags(bucket, key, tags):
    """The tags of the current object; none: they are taken away."""
    if tags:
        s3.put_object_tagging(
            Bucket=bucket, Key=key, Tagging={"TagSet": [{"Key": name, "Value": tags[name]} for name in tags]})
    else:
        s3.delete_object_tagging(Bucket=bucket, Key=key)
    return {}


def describe(bucket, prefix=""):
    """Everything that the current objects are: ETag, MD5 of the content, headers, metadata, tags."""
    def one(key):
        answer = s3.get_object(Bucket=bucket, Key=key)
        headers = {
            name: value for name, value in answer["ResponseMetadata"]["HTTPHeaders"].items()
            if name in KEPT_HEADERS or name.startswith("x-amz-meta-")}
        tags = s3.get_object_tagging(Bucket=bucket, Key=key).get("TagSet", [])
        return {
            "key": key, "etag": answer["ETag"].strip('"'), "md5": hashlib.md5(answer["Body"].read()).hexdigest(),
            "headers": headers, "tags": {tag["Key"]: tag["Value"] for tag in tags}}

    keys = [row["key"] for row in rows(bucket, prefix) if row["isLatest"] and not row["deleteMarker"]]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return {"objects": list(pool.map(one, keys))}


def compact(document):
    """Without spaces: in the body of a POST Ceph takes the `+` for itself."""
    return json.dumps(document, separators=(",", ":"))


def assume_role(role="arn:aws:iam:::role/test", seconds=900):
    """Temporary credentials of a role that may do everything."""
    options = {
        "endpoint_url": endpoint, "aws_access_key_id": access_key, "aws_secret_access_key": secret_key,
        "region_name": "us-east-1"}
    iam = boto3.client("iam", **options)
    trust = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam:::user/test"]}, "Action": ["sts:AssumeRole"]}]}
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::*"}]}
    name = role.rsplit("/", 1)[1]
    try:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=compact(trust), Path="/")
    except ClientError:
        # It is there, or somebody else is just making it, which Ceph calls "Unknown".
        iam.get_role(RoleName=name)
    iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=compact(policy))
    found = boto3.client("sts", **options).assume_role(RoleArn=role, RoleSessionName="test", DurationSeconds=seconds)
    keys = found["Credentials"]
    return {
        "accessKeyId": keys["AccessKeyId"], "secretAccessKey": keys["SecretAccessKey"],
        "sessionToken": keys["SessionToken"]}


def set_user_policy(user, policy):
    """What a user may do: a document of IAM, and nothing else."""
    iam = boto3.client(
        "iam", endpoint_url=endpoint, aws_access_key_id=access_key, aws_secret_access_key=secret_key,
        region_name="us-east-1")
    iam.put_user_policy(UserName=user, PolicyName="policy", PolicyDocument=compact(policy))
    return {}


def rows(bucket, prefix=""):
    """All versions and delete markers, by key and newest first, as S3 lists them."""
    found = []
    marker = {}
    while True:
        # Asked for by hand, boto leaves the decoding to us: Ceph encodes the keys but not the marker.
        page = s3.list_object_versions(Bucket=bucket, Prefix=prefix, EncodingType="url", **marker)
        encoded = page.get("EncodingType") == "url"
        keys = set()
        for kind in "Versions", "DeleteMarkers":
            for entry in page.get(kind, []):
                key = urllib.parse.unquote_plus(entry["Key"]) if encoded else entry["Key"]
                keys.add(key)
                found.append({
                    "key": key, "versionId": entry["VersionId"], "isLatest": entry["IsLatest"],
                    "deleteMarker": kind == "DeleteMarkers", "size": entry.get("Size"),
                    "lastModified": entry["LastModified"].astimezone(datetime.timezone.utc).isoformat(),
                    "etag": entry.get("ETag", "").strip('"'), "storageClass": entry.get("StorageClass")})
        if not page["IsTruncated"]:
            break
        key = page["NextKeyMarker"]
        if key not in keys and urllib.parse.unquote_plus(key) in keys:
            key = urllib.parse.unquote_plus(key)
        marker = {"KeyMarker": key, "VersionIdMarker": page.get("NextVersionIdMarker", "")}
    order = {id(row): number for number, row in enumerate(found)}
    found.sort(key=lambda row: (row["key"].encode(), not row["isLatest"], [-ord(c) for c in row["lastModified"]],
                                order[id(row)]))
    return found


def list_versions(bucket, prefix=""):
    return {"versions": rows(bucket, prefix)}


SCHEMA = ["Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker", "Size", "LastModifiedDate", "ETag",
          "IsMultipartUploaded", "StorageClass", "EncryptionStatus"]


def list_uploads(bucket):
    """The keys of uploads in parts that were begun and not finished."""
    return {"keys": [upload["Key"] for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])]}


def cell(row, column, bucket):
    marker = row["deleteMarker"]
    match column:
        case "Bucket":
            return bucket
        case "Key":
            return urllib.parse.quote_plus(row["key"], safe="/~")
        case "VersionId":
            return "" if row["versionId"] == "null" else row["versionId"]
        case "IsLatest":
            return str(row["isLatest"]).lower()
        case "IsDeleteMarker":
            return str(marker).lower()
        case "Size":
            return "" if marker else str(row["size"])
        case "LastModifiedDate":
            time = datetime.datetime.fromisoformat(row["lastModified"])
            return time.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        case "ETag":
            return "" if marker else row["etag"]
        case "IsMultipartUploaded":
            return "" if marker else str("-" in row["etag"]).lower()
        case "StorageClass":
            return "" if marker else row["storageClass"] or "STANDARD"
        case "EncryptionStatus":
            return "" if marker else row.get("encryption", "NOT-SSE")
    raise ValueError(f"unknown column {column}")


def make_inventory(bucket, directory, name=None, prefix="", schema=SCHEMA, rowsPerFile=1000000, shuffle=False,
                   currentOnly=False, destination=None, destinationPrefix="inventory", given=None):
    """Writes DIRECTORY/<name>/manifest.json with its checksum, and DIRECTORY/data/*.csv.gz.

    `name` (now, if none) is the inventory's date, `2024-11-06T01-00Z`. `given`: rows to write in place of the bucket's
    own. With `destination`, everything is uploaded there too, under <destinationPrefix>/<bucket>/all/.
    """
    listed = given if given is not None else rows(bucket, prefix)
    if currentOnly:
        listed = [row for row in listed if row["isLatest"] and not row["deleteMarker"]]
        schema = [column for column in schema if column not in ("VersionId", "IsLatest", "IsDeleteMarker")]
    if shuffle:
        random.Random(1).shuffle(listed)
    now = datetime.datetime.now(datetime.timezone.utc)
    taken = datetime.datetime.strptime(name, "%Y-%m-%dT%H-%MZ").replace(tzinfo=datetime.timezone.utc) if name else now
    name = name or taken.strftime("%Y-%m-%dT%H-%MZ")
    base = f"{destinationPrefix.strip('/')}/{bucket}/all".lstrip("/")
    os.makedirs(f"{directory}/data", exist_ok=True)
    os.makedirs(f"{directory}/{name}", exist_ok=True)
    files, uploads = [], []
    for start in range(0, max(len(listed), 1), rowsPerFile):
        text = io.StringIO()
        for row in listed[start:start + rowsPerFile]:
            cells = [cell(row, column, bucket).replace('"', '""') for column in schema]
            text.write(",".join(f'"{value}"' for value in cells) + "\n")
        packed = gzip.compress(text.getvalue().encode(), 6, mtime=0)
        file = f"data/{uuid.uuid4()}.csv.gz"
        uploads.append((file, packed))
        files.append({"key": f"{base}/{file}", "size": len(packed), "MD5checksum": hashlib.md5(packed).hexdigest()})
    manifest = json.dumps({
        "sourceBucket": bucket, "destinationBucket": f"arn:aws:s3:::{destination or bucket + '-inventory'}",
        "version": "2016-11-30", "creationTimestamp": str(int(taken.timestamp() * 1000)), "fileFormat": "CSV",
        "fileSchema": ", ".join(schema), "files": files}, indent=2).encode()
    uploads.append((f"{name}/manifest.json", manifest))
    uploads.append((f"{name}/manifest.checksum", hashlib.md5(manifest).hexdigest().encode()))
    for file, body in uploads:
        with open(f"{directory}/{file}", "wb") as out:
            out.write(body)
        if destination:
            s3.put_object(Bucket=destination, Key=f"{base}/{file}", Body=body)
    return {"name": name, "rows": len(listed), "prefix": base + "/"}


COMMANDS = {function.__name__: function for function in (
    create_bucket, deny, set_versioning, put, put_many, delete, delete_version, get, assume_role, set_user_policy,
    set_tags, describe, list_versions, list_uploads, make_inventory)}

print(json.dumps({}), flush=True)
for line in sys.stdin:
    command = json.loads(line)
    try:
        answer = COMMANDS[command.pop("do")](**command)
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
