"""nginx as a fast reader of objects: bodies in data/<bucket>/.v/<versionId>, latest ones in data/<bucket>/.c/<key>,
the key percent-encoded as in the URL. Its ETags are no MD5s, and nothing is signed.

usage: nginx.py    Says {"port", "directory"} when it is ready, and stops at the end of standard input.
"""

import os
import resource

import lifeline

directory = lifeline.new_directory("nginx")
os.chmod(directory, 0o755)
os.mkdir(f"{directory}/data")
port = lifeline.free_port()
# Cached files stay open: as many as descriptors allow, connections left out.
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
cache = max(100, min(20000, hard - 1200))
here = os.path.dirname(os.path.abspath(__file__))
with open(f"{here}/nginx.conf") as template, open(f"{directory}/nginx.conf", "w") as conf:
    values = {"DIR": directory, "PORT": port, "CACHE": cache}
    text = template.read()
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    conf.write(text)
log = f"{directory}/log"
server = lifeline.start(
    ["/usr/sbin/nginx", "-p", directory, "-e", f"{directory}/error.log", "-c", f"{directory}/nginx.conf"], log)
lifeline.wait_for_port(port, server, log)
lifeline.say(port=port, directory=directory)
lifeline.live(directory)
