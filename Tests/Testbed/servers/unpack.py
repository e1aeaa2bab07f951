"""nginx before another server: it unpacks what is stored with `Content-Encoding: gzip` for clients that do not say that
they take it, and packs texts for those that do.

usage: unpack.py PORT    of the other server, on 127.0.0.1. Says {"port", "directory"} when it is ready, and stops at the
end of standard input.
"""

import os
import sys

import lifeline

CONF = """
master_process off; daemon off; pid @DIR@/nginx.pid; error_log @DIR@/error.log warn;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path @DIR@/tmp; proxy_temp_path @DIR@/tmp; fastcgi_temp_path @DIR@/tmp; uwsgi_temp_path @DIR@/tmp;
  scgi_temp_path @DIR@/tmp;
  server {
    listen 127.0.0.1:@PORT@; merge_slashes off; client_max_body_size 0;
    gunzip on; gzip on; gzip_proxied any; gzip_types text/plain; gzip_min_length 1; gzip_http_version 1.1;
    location / {
      proxy_pass http://127.0.0.1:@UPSTREAM@; proxy_http_version 1.1; proxy_set_header Host $http_host;
      proxy_set_header Accept-Encoding ""; proxy_set_header Connection "";
    }
  }
}
"""

directory = lifeline.new_directory("unpack")
os.chmod(directory, 0o755)
port = lifeline.free_port()
text = CONF
for name, value in {"DIR": directory, "PORT": port, "UPSTREAM": sys.argv[1]}.items():
    text = text.replace(f"@{name}@", str(value))
with open(f"{directory}/nginx.conf", "w") as conf:
    conf.write(text)
log = f"{directory}/log"
server = lifeline.start(
    ["/usr/sbin/nginx", "-p", directory, "-e", f"{directory}/error.log", "-c", f"{directory}/nginx.conf"], log)
lifeline.wait_for_port(port, server, log)
lifeline.say(port=port, directory=directory)
lifeline.live(directory)
