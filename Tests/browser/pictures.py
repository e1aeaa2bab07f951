"""Takes the pictures of README. usage: pictures.py PROGRAM BUCKET-SCRIPT WORK-DIRECTORY TARGET-DIRECTORY"""
import json
import subprocess
import sys
import time

from browser import Server, open_browser, resize

WIDTH, HEIGHT = 1180, 760


def make_store(program, script, work):
    """A store of the demo's bucket, synced from all of its inventories; and the date that the demo opens."""
    bucket = subprocess.Popen(
        [sys.executable, script, f"{work}/server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL)
    try:
        ready = json.loads(bucket.stdout.readline())
        store = f"{work}/store"
        for command in (
                ["init", store, "--bucket", "s3://reef-survey", "--inventory", ready["inventory"], "--endpoint-url",
                 f"http://127.0.0.1:{ready['port']}"],
                ["sync", "--store", store, "--from", "2000-01-01", "--to", "2999-01-01"]):
            subprocess.run([program] + command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return store, ready["march"]
    finally:
        bucket.stdin.close()
        bucket.wait(30)


def main():
    program, script, work, target = sys.argv[1:]
    store, march = make_store(program, script, work)
    server = Server([program, "serve", "--store", store, "--offline"])
    year = march[:4]
    try:
        for name in ("light", "dark"):
            driver = open_browser(WIDTH, HEIGHT, is_dark=name == "dark")
            resize(driver, WIDTH, HEIGHT)
            driver.get(f"{server.url}/-/?at={march}&with={year}-01-20T00:00:00Z&deleted=1")
            time.sleep(1)
            driver.save_screenshot(f"{target}/page-{name}.png")
            driver.quit()
    finally:
        server.stop()


main()
