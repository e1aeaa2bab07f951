"""Asks a server that wants signatures, with right ones and with wrong ones.

usage: access.py PORT BUCKET KEY     (credentials from the environment)
Prints one JSON object: by case, what came, as "200" or "403 SignatureDoesNotMatch".
"""

import base64
import datetime
import hashlib
import hmac
import http.client
import json
import os
import re
import sys
import urllib.parse

port, bucket, key = int(sys.argv[1]), sys.argv[2], sys.argv[3]
ID, SECRET = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
EMPTY = hashlib.sha256(b"").hexdigest()
HOST = f"127.0.0.1:{port}"


def quote(text, safe=""):
    return urllib.parse.quote(text, safe=safe + "-._~")


PATH = "/" + quote(f"{bucket}/{key}", "/")


def code(secret, day, region, text):
    value = ("AWS4" + secret).encode()
    for part in [day, region, "s3", "aws4_request"]:
        value = hmac.new(value, part.encode(), hashlib.sha256).digest()
    return hmac.new(value, text.encode(), hashlib.sha256).hexdigest()


def now(seconds=0):
    time = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return time.strftime("%Y%m%dT%H%M%SZ")


def canonical(method, path, query, headers, payload):
    listed = "&".join(f"{quote(name)}={quote(value)}" for name, value in sorted(query))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    return f"{method}\n{path}\n{listed}\n{lines}\n{';'.join(sorted(headers))}\n{payload}"


def text(date, scope, request):
    return f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"


def signed(method="GET", path=PATH, query=(), extra=None, date=None, ident=ID, secret=SECRET, payload=EMPTY,
           region="us-east-1", day=None, host=HOST):
    date = date or now()
    day = day or date[:8]
    headers = {"host": host, "x-amz-date": date, "x-amz-content-sha256": payload, **(extra or {})}
    scope = f"{day}/{region}/s3/aws4_request"
    signature = code(secret, day, region, text(date, scope, canonical(method, path, list(query), headers, payload)))
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={ident}/{scope}, SignedHeaders={';'.join(sorted(headers))}, Signature={signature}")
    return method, path, list(query), headers


def presigned(date=None, expires="60", secret=SECRET, path=PATH, extra=()):
    date = date or now()
    scope = f"{date[:8]}/us-east-1/s3/aws4_request"
    query = [("X-Amz-Algorithm", "AWS4-HMAC-SHA256"), ("X-Amz-Credential", f"{ID}/{scope}"), ("X-Amz-Date", date),
             ("X-Amz-Expires", expires), ("X-Amz-SignedHeaders", "host"), *extra]
    request = canonical("GET", path, query, {"host": HOST}, "UNSIGNED-PAYLOAD")
    return "GET", path, query + [("X-Amz-Signature", code(secret, date[:8], "us-east-1", text(date, scope, request)))], {
        "host": HOST}


def send(call):
    method, path, query, headers = call
    target = path + ("?" + "&".join(f"{quote(name)}={quote(value)}" for name, value in query) if query else "")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read().decode(errors="replace")
    found = re.search("<Code>(.*?)</Code>", body)
    words = f"{answer.status}" + (f" {found.group(1)}" if found else "")
    return words + (" s3v4" if "s3v4" in body else "")


def altered(call, **changes):
    method, path, query, headers = call
    headers = {**headers, **changes.get("headers", {})}
    return changes.get("method", method), changes.get("path", path), changes.get("query", query), headers


def authorization(call, old, new):
    return altered(call, headers={"authorization": call[3]["authorization"].replace(old, new)})


def flipped(call):
    value = call[3]["authorization"]
    return altered(call, headers={"authorization": value[:-1] + ("0" if value[-1] != "0" else "1")})


def basic(path, ident=ID, secret=SECRET, word="Basic ", extra=None):
    value = word + base64.b64encode(f"{ident}:{secret}".encode()).decode()
    return "GET", path, [], {"host": HOST, "authorization": value, **(extra or {})}


query = [("list-type", "2"), ("prefix", "a b+c/ü~*'()!")]
cases = {
    "right": signed(),
    "right, HEAD": signed("HEAD"),
    "right, with a query": signed(path=f"/{bucket}", query=query),
    "right, with a query of odd order": signed(path=f"/{bucket}", query=query[::-1]),
    "right, odd key": signed(path="/" + quote(f"{bucket}/a b+ü/../x%41~", "/")),
    "right, another region": signed(region="eu-central-1"),
    "right, unsigned payload": signed(payload="UNSIGNED-PAYLOAD"),
    "right, with spaces in a header": signed(extra={"range": "bytes=0-1"}),
    "right, 14 minutes late": signed(date=now(-14 * 60)),
    "right, 14 minutes early": signed(date=now(14 * 60)),
    "16 minutes late": signed(date=now(-16 * 60)),
    "16 minutes early": signed(date=now(16 * 60)),
    "nothing": ("GET", PATH, [], {"host": HOST}),
    "nothing, the metrics": ("GET", "/-/metrics", [], {"host": HOST}),
    "nothing, the page": ("GET", "/-/", [], {"host": HOST}),
    "another secret": signed(secret=SECRET + "x"),
    "another id": signed(ident=ID + "x"),
    "an empty secret": signed(secret=""),
    "another method": altered(signed(), method="HEAD"),
    "another path": altered(signed(), path=PATH + "x"),
    "a path that becomes the same": altered(signed(), path=f"/{bucket}/x/../" + quote(key, "/")),
    "a further query": altered(signed(), query=[("versionId", "null")]),
    "another query": altered(signed(path=f"/{bucket}", query=query), query=[("list-type", "2"), ("prefix", "other")]),
    "another signed header": altered(signed(extra={"range": "bytes=0-1"}), headers={"range": "bytes=0-2"}),
    "a signed header less": authorization(signed(), "SignedHeaders=host;", "SignedHeaders="),
    "another host": altered(signed(), headers={"host": "127.0.0.2"}),
    "another date": altered(signed(date=now(-60)), headers={"x-amz-date": now(-30)}),
    "another region in the scope": authorization(signed(), "us-east-1", "us-west-1"),
    "another service": authorization(signed(), "/s3/", "/ec2/"),
    "another day in the scope": authorization(signed(), now()[:8] + "/", "20200101/"),
    "another end of the scope": authorization(signed(), "aws4_request", "aws5_request"),
    "another payload": altered(signed(), headers={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}),
    "a payload that is none": signed(payload="nothing"),
    "another signature": flipped(signed()),
    "half a signature": altered(signed(), headers={"authorization": signed()[3]["authorization"][:-32]}),
    "no signature": authorization(signed(), "Signature=", "Other="),
    "an unsigned header of amz": altered(signed(), headers={"x-amz-meta-x": "1"}),
    "a token that the key has not": signed(extra={"x-amz-security-token": "token"}),
    "another algorithm": authorization(signed(), "AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
    "basic": ("GET", PATH, [], {"host": HOST, "authorization": "Basic YTpi"}),
    "version 2": ("GET", PATH, [], {"host": HOST, "authorization": f"AWS {ID}:abc=", "date": "x"}),
    "version 2 in the query": (
        "GET", PATH, [("AWSAccessKeyId", ID), ("Signature", "abc"), ("Expires", "9999999999")], {"host": HOST}),
    "presigned": presigned(),
    "presigned, with response-*": presigned(extra=[("response-content-type", "text/plain")]),
    "presigned, expired": presigned(date=now(-120)),
    "presigned, at its end": presigned(date=now(-50)),
    "presigned, of tomorrow": presigned(date=now(86400)),
    "presigned, for no time": presigned(expires="0"),
    "presigned, for too long": presigned(expires="604801"),
    "presigned, for longer than signed": altered(
        presigned(), query=[(n, "600" if n == "X-Amz-Expires" else v) for n, v in presigned()[2]]),
    "presigned, another secret": presigned(secret="x"),
    "presigned, with more": altered(presigned(), query=presigned()[2] + [("versionId", "null")]),
    "presigned, signed twice": altered(presigned(), headers={"authorization": signed()[3]["authorization"]}),
    "presigned, without expiry": altered(presigned(), query=[i for i in presigned()[2] if i[0] != "X-Amz-Expires"]),
    "presigned, with two expiries": altered(presigned(), query=presigned()[2] + [("X-Amz-Expires", "600")]),
    "right, what writes": signed("PUT"),
    "a browser": ("GET", "/", [], {"host": HOST, "accept": "text/html"}),
    "no browser": ("GET", "/", [], {"host": HOST}),
    "basic, the page": basic("/-/"),
    "basic, the page, in capitals": basic("/-/", word="BASIC "),
    "basic, the metrics": basic("/-/metrics"),
    "basic, a download": basic("/-/raw", extra={"x-forwarded-proto": "http"}),
    "basic, a content of S3": basic(PATH),
    "basic, all buckets": basic("/"),
    "basic, a way out of the page": basic("/-/../" + PATH),
    "basic, another secret": basic("/-/", secret=SECRET + "x"),
    "basic, half of the secret": basic("/-/", secret=SECRET[:-1]),
    "basic, another id": basic("/-/", ident=ID + "x"),
    "basic, nothing": basic("/-/", "", ""),
    "basic, no colon": ("GET", "/-/", [], {"host": HOST, "authorization": "Basic " + base64.b64encode(ID.encode()).decode()}),
    "basic, no base64": ("GET", "/-/", [], {"host": HOST, "authorization": "Basic ###"}),
    "signed, the page": signed(path="/-/"),
    # Ten wrong ones in a minute; whoever was in before stays in.
    **{f"basic, guess {number}": basic("/-/", secret=f"guess {number}") for number in range(5)},
    "basic, right, too late": basic("/-/", "AKIAOTHER", "other-secret"),
    "basic, right, known before": basic("/-/"),
    "signed, after the guesses": signed(path="/-/"),
}
print(json.dumps({name: send(call) for name, call in cases.items()}))
