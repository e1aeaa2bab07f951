"""moto's S3, for what Ceph's lacks: HEAD with partNumber, conditional PUT. It checks no signatures.

usage: moto.py    Says {"port", "directory"} when it is ready, and stops at the end of standard input.
"""

import os
import sys

import lifeline

directory = lifeline.new_directory("moto")
port = lifeline.free_port()
log = f"{directory}/log"
# The interpreter, not the script beside it: a virtual environment that was moved keeps working.
command = [sys.executable, "-c", "from moto.server import main; main()", "-H", "127.0.0.1", "-p", str(port)]
server = lifeline.start(command, log, cwd=directory, env={**os.environ, "MOTO_ALLOW_NONEXISTENT_REGION": "true"})
lifeline.wait_for_port(port, server, log)
lifeline.say(port=port, directory=directory)
lifeline.live(directory)
