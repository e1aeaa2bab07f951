"""nginx as a fast reader of objects: bodies in data/<bucket>/.v/<versionId>, latest ones in data/<bucket>/.c/<key>,
the key percent-encoded as in the URL. Its ETags are no MD5s, and nothing is signed.

usage: nginx.py    Says {"port", "directory"} when it is ready, and stops at the end of standard input.
"""

import os

import lifeline

directory = lifeline.new_directory("nginx")
os.chmod(directory, 0o755)
os.mkdir(f"{directory}/data")
port = lifeline.free_port()
here = os.path.dirname(os.path.abspath(__file__))
with open(f"{here}/nginx.conf") as template, open(f"{directory}/nginx.conf", "w") as conf:
    conf.write(template.read().replace("@DIR@", directory).replace("@PORT@", str(port)))
log = f"{directory}/log"
server = lifeline.start(
    ["/usr/sbin/nginx", "-p", directory, "-e", f"{directory}/error.log", "-c", f"{directory}/nginx.conf"], log)
lifeline.wait_for_port(port, server, log)
lifeline.say(port=port, directory=directory)
lifeline.live(directory)
