"""Where botocore sends requests, without sending any.

usage: addresses.py    Says {} when it is ready, and stops at the end of standard input.

Commands are JSON objects, one a line on standard input; each is answered with one line:
  {"environment": {...}, "config": text of the config file, "service": "s3" or "sts", "bucket"}
                          {"url"} of a GET of the key "k", or of AssumeRole; {"refused": sentence} where botocore refuses
"""

import json
import os
import sys
import tempfile

import botocore.config
import botocore.loaders
import botocore.session

# Reading the descriptions of services takes longer than all the rest.
LOADER = botocore.loaders.create_loader()


class Sent(Exception):
    pass


def stop(request, **_):
    raise Sent(request.url)


def address(environment, config, service, bucket=None):
    with tempfile.NamedTemporaryFile("w", suffix=".config") as file:
        file.write(config)
        file.flush()
        os.environ.clear()
        os.environ.update(environment)
        os.environ.update(AWS_CONFIG_FILE=file.name, AWS_SHARED_CREDENTIALS_FILE="/nonexistent")
        os.environ["AWS_S3_US_EAST_1_REGIONAL_ENDPOINT"] = "regional"
        try:
            session = botocore.session.Session()
            session.register_component("data_loader", LOADER)
            client = session.create_client(
                service, aws_access_key_id="a", aws_secret_access_key="s",
                config=botocore.config.Config(retries={"max_attempts": 0}))
            client.meta.events.register("before-send", stop)
            if service == "s3":
                client.get_object(Bucket=bucket, Key="k")
            else:
                client.assume_role(RoleArn="arn:aws:iam::123456789012:role/r", RoleSessionName="session")
        except Sent as sent:
            return {"url": str(sent)}
        except Exception as error:
            return {"refused": f"{type(error).__name__}: {error}"}
    return {"error": "nothing was sent"}


print(json.dumps({}), flush=True)
for line in sys.stdin:
    print(json.dumps(address(**json.loads(line))), flush=True)
