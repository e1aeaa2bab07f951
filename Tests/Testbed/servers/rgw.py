"""A minimal Ceph (one monitor, one OSD in memory) and its S3 gateway, all on 127.0.0.1.

usage: rgw.py [--sts] [--access-key KEY] [--secret-key KEY]
Says {"port", "directory"} when it is ready, and stops at the end of standard input. With --sts, AssumeRole gives
temporary credentials; a wrong signature is then AccessDenied instead of SignatureDoesNotMatch.
"""

import argparse
import os
import subprocess
import time
import urllib.error
import urllib.request
import uuid

import lifeline

IDLE_MODULES = """alerts balancer crash devicehealth influx insights iostat k8sevents localpool mds_autoscaler
mirroring nfs orchestrator osd_perf_query osd_support pg_autoscaler progress prometheus rbd_support restful rook
selftest snap_schedule stats status telegraf telemetry test_orchestrator volumes zabbix dashboard cephadm
diskprediction_local hello"""

CONFIGURATION = """
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{mon_port}]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv4 = true
ms bind ipv6 = false
keyring = {directory}/keyring
run dir = {directory}/run
admin socket = {directory}/run/$name.asok
pid file = {directory}/run/$name.pid
log file = {directory}/log/$name.log
crash dir = {directory}/log
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
rgw rados pool pg num min = 1
paxos propose interval = 0.05
paxos min wait = 0.01
mon osd full ratio = .99
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 2000
mon data avail crit = 1
mon data avail warn = 2
[mon]
mon data = {directory}/mon
mon cluster log file = {directory}/log/cluster.log
mgr disabled modules = {idle}
[mgr.x]
mgr data = {directory}/mgr
[osd.0]
osd data = {directory}/osd
osd objectstore = memstore
memstore device bytes = 4294967296
osd crush update on start = true
[client.rgw.x]
rgw frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw enable usage log = false
rgw enable ops log = false
rgw dns name = localhost
rgw enable apis = s3, admin, iam, sts
rgw thread pool size = 64
rgw lifecycle work time = 00:00-23:59
debug rgw = 1
{sts}
"""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sts", action="store_true")
    parser.add_argument("--access-key", default="testaccess")
    parser.add_argument("--secret-key", default="testsecret/with+chars")
    options = parser.parse_args()

    directory = lifeline.new_directory("rgw")
    port, mon_port, fsid = lifeline.free_port(), lifeline.free_port(), str(uuid.uuid4())
    for name in "mon", "mgr", "osd", "run", "log":
        os.mkdir(f"{directory}/{name}")
    conf = f"{directory}/ceph.conf"
    sts = "rgw sts key = abcdefghijklmnop\nrgw s3 auth use sts = true" if options.sts else ""
    with open(conf, "w") as file:
        file.write(CONFIGURATION.format(
            directory=directory, port=port, mon_port=mon_port, fsid=fsid, sts=sts, idle=" ".join(IDLE_MODULES.split())))
    os.environ["CEPH_CONF"] = conf

    def run(*command, check=True):
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        if check and done.returncode != 0:
            lifeline.fail(f"{' '.join(command[:3])}…: {done.stdout[-2000:]}")
        return done

    def daemon(name, *command):
        return lifeline.start(list(command), f"{directory}/log/{name}.out")

    keyring = f"{directory}/keyring"
    keys = [
        ("mon.", ["mon", "allow *"]),
        ("client.admin", ["mon", "allow *", "osd", "allow *", "mgr", "allow *"]),
        ("mgr.x", ["mon", "allow profile mgr", "osd", "allow *"]),
        ("osd.0", ["mon", "allow profile osd", "mgr", "allow profile osd", "osd", "allow *"]),
        ("client.rgw.x", ["mon", "allow rw", "osd", "allow rwx", "mgr", "allow rw"]),
    ]
    for index, (name, rights) in enumerate(keys):
        caps = [part for pair in zip(rights[::2], rights[1::2]) for part in ("--cap", *pair)]
        create = ["--create-keyring"] if index == 0 else []
        run("ceph-authtool", keyring, *create, "--gen-key", "-n", name, *caps)
    monmap = f"{directory}/monmap"
    run("monmaptool", "--create", "--clobber", "--addv", "a", f"[v2:127.0.0.1:{mon_port}]", "--fsid", fsid, monmap)
    run("ceph-mon", "-c", conf, "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring,
        "--mon-data", f"{directory}/mon")
    daemon("mon", "ceph-mon", "-c", conf, "-f", "-i", "a")
    ceph = ["ceph", "-c", conf, "--connect-timeout", "20"]
    run(*ceph, "mon", "dump")
    daemon("mgr", "ceph-mgr", "-c", conf, "-f", "-i", "x")
    osd = str(uuid.uuid4())
    run(*ceph, "osd", "new", osd, "0")
    run("ceph-osd", "-c", conf, "-i", "0", "--mkfs", "--osd-uuid", osd)
    daemon("osd", "ceph-osd", "-c", conf, "-f", "-i", "0")
    deadline = time.monotonic() + 60
    while "1 up" not in run(*ceph, "osd", "stat", check=False).stdout:
        if time.monotonic() > deadline:
            lifeline.fail("the OSD does not come up")
    rgw = daemon("rgw", "radosgw", "-c", conf, "-f", "-n", "client.rgw.x")
    lifeline.wait_for_port(port, rgw, f"{directory}/log/rgw.out", 60)
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
            break
        except urllib.error.URLError:
            if rgw.poll() is not None or time.monotonic() > deadline:
                lifeline.fail("the gateway does not answer")
            time.sleep(0.1)
    run("radosgw-admin", "-c", conf, "user", "create", "--uid=test", "--display-name=test",
        "--caps=roles=*;user-policy=*", f"--access-key={options.access_key}", f"--secret-key={options.secret_key}")
    lifeline.say(port=port, directory=directory)
    lifeline.live(directory)


main()
