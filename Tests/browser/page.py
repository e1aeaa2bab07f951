"""Uses the page as people do, and as strangers would like it to be used.

usage: page.py PROGRAM serve --store STORE …     Prints a line for each check. The store is that of PageTests.swift.
"""
import json
import sys
import traceback
import urllib.error
import urllib.parse
import urllib.request

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from browser import Server, open_browser, resize, until

MARKUP = "<img src=x onerror=document.title='owned'>.txt"
MARCH = "2024-03-15T12:00:00Z"


def quote(key):
    return urllib.parse.quote(key, safe="")


def names(driver):
    return [row.get_attribute("data-name") for row in driver.find_elements(By.CSS_SELECTOR, "#view tr[data-name]")]


def get(url):
    request = urllib.request.Request(url)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def no_complaints(driver):
    """What breaks the page's own policy is in the browser's log."""
    bad = [entry["message"] for entry in driver.get_log("browser")]
    assert not bad, bad


def opens_and_goes_into_folders(driver, url):
    driver.get(url + "/")
    assert driver.current_url == url + "/-/", driver.current_url
    assert "data/" in names(driver), names(driver)
    driver.find_element(By.LINK_TEXT, "data/").click()
    until("the folder", lambda: "table.csv" in names(driver))
    assert "lost.txt" not in names(driver)
    driver.find_element(By.CSS_SELECTOR, "a[data-step=up]").click()
    until("the folder above", lambda: "data/" in names(driver))
    no_complaints(driver)


def the_slider_moves_through_time(driver, url):
    driver.get(url + "/-/?prefix=data/")
    slider = driver.find_element(By.CSS_SELECTOR, "input[type=range]")
    first, last = int(slider.get_attribute("min")), int(slider.get_attribute("max"))
    assert first < last
    # As a drag does: many inputs, then one change.
    driver.execute_script("""
        const slider = document.querySelector("input[type=range]"), target = Date.parse(arguments[0]) / 1000;
        for (let step = 1; step <= 20; step++) {
            slider.value = String(Math.round(Number(slider.max) + (target - Number(slider.max)) * step / 20));
            slider.dispatchEvent(new Event("input", { bubbles: true }));
        }
        slider.dispatchEvent(new Event("change", { bubbles: true }));""", MARCH)
    until("the past", lambda: "lost.txt" in names(driver))
    assert "prefix=data" in driver.current_url, driver.current_url
    until("the address", lambda: "at=2024-03-15" in driver.current_url)
    assert "15 March 2024" in driver.find_element(By.ID, "moment").text
    until("the steps", lambda: "at=" in driver.find_element(By.CSS_SELECTOR, "a[data-step=back]").get_attribute("href"))
    driver.refresh()
    until("the same after a reload", lambda: "lost.txt" in names(driver))
    no_complaints(driver)


def steps_lead_from_change_to_change(driver, url):
    driver.get(url + "/-/?prefix=data/")
    for _ in range(12):
        if "lost.txt" in names(driver):
            break
        driver.find_element(By.CSS_SELECTOR, "a[data-step=back]").click()
        until("a step", lambda: driver.find_elements(By.CSS_SELECTOR, "#steps a[data-step]"))
    assert "lost.txt" in names(driver), driver.current_url


def a_file_has_its_versions(driver, url):
    driver.get(f"{url}/-/?prefix=data/&at={MARCH}")
    driver.find_element(By.LINK_TEXT, "table.csv").click()
    until("the versions", lambda: len(driver.find_elements(By.CSS_SELECTOR, "#view tbody tr")) == 2)
    text = driver.find_element(By.ID, "view").text
    assert "at this date" in text and "replaced on" in text, text
    assert "icecore cat data/table.csv --version-id" in text, text
    frame = driver.find_element(By.CSS_SELECTOR, "iframe.preview")
    assert frame.get_attribute("sandbox") == "", frame.get_attribute("sandbox")
    driver.switch_to.frame(frame)
    cells = until("the preview", lambda: [cell.text for cell in driver.find_elements(By.TAG_NAME, "td")])
    driver.switch_to.default_content()
    assert cells == ["A", "1"], cells
    links = [link.get_attribute("href") for link in driver.find_elements(By.LINK_TEXT, "download")]
    status, headers, body = get(links[0])
    assert (status, body) == (200, b"site,count\nA,2\n"), (status, body)
    assert headers["Content-Disposition"].startswith('attachment; filename="table.csv"'), headers
    driver.find_element(By.LINK_TEXT, "what changed").click()
    lines = until("the comparison", lambda: [
        line.text for line in driver.find_elements(By.CSS_SELECTOR, "pre.diff .minus, pre.diff .plus")])
    assert lines == ["− A,1", "+ A,2"], lines
    no_complaints(driver)


def two_dates_are_compared(driver, url):
    driver.get(f"{url}/-/changes?with={MARCH}")
    text = driver.find_element(By.ID, "view").text
    for word in ("data/", "lost.txt", "removed", "table.csv", "changed", "added"):
        assert word in text, (word, text)
    driver.get(f"{url}/-/?prefix=data/&with={MARCH}")
    assert "lost.txt" in names(driver)
    row = driver.find_element(By.CSS_SELECTOR, "tr[data-name='lost.txt']")
    assert "deleted on" in row.text, row.text
    driver.get(f"{url}/-/?prefix=data/&deleted=1")
    assert "lost.txt" in names(driver)
    driver.find_element(By.CSS_SELECTOR, "input[type=checkbox][name=deleted]").click()
    until("no deleted ones", lambda: "lost.txt" not in names(driver))


def search_finds_what_was_deleted(driver, url):
    driver.get(url + "/-/")
    box = driver.find_element(By.CSS_SELECTOR, ".search input")
    box.send_keys("lost" + Keys.ENTER)
    until("the result", lambda: driver.find_elements(By.LINK_TEXT, "data/lost.txt"))
    assert "deleted on" in driver.find_element(By.ID, "view").text
    driver.find_element(By.LINK_TEXT, "data/lost.txt").click()
    until("the file", lambda: "icecore cat data/lost.txt" in driver.find_element(By.ID, "view").text)


def the_keyboard_is_enough(driver, url):
    driver.get(url + "/-/")
    body = driver.find_element(By.TAG_NAME, "body")
    body.send_keys("/")
    assert driver.switch_to.active_element.get_attribute("name") == "q"
    driver.get(url + "/-/?prefix=data/")
    seen = set()
    for _ in range(60):
        driver.switch_to.active_element.send_keys(Keys.TAB)
        here = driver.switch_to.active_element
        seen.add((here.get_attribute("type") or "", here.text))
        if here.text == "table.csv":
            here.send_keys(Keys.ENTER)
            break
    until("the file", lambda: "key=data" in driver.current_url)
    assert any(kind == "range" for kind, _ in seen), seen
    driver.find_element(By.TAG_NAME, "body").send_keys("u")
    until("up", lambda: "table.csv" in names(driver))
    driver.find_element(By.TAG_NAME, "body").send_keys("[")
    until("a step back", lambda: "at=" in driver.current_url)
    driver.get(url + "/-/?prefix=data/")
    slider = driver.find_element(By.CSS_SELECTOR, "input[type=range]")
    for _ in range(3):
        slider.send_keys(Keys.PAGE_DOWN)
    until("the slider by keys", lambda: "at=" in driver.current_url)


def strangers_names_are_no_markup(driver, url):
    for address in ("/-/", f"/-/key?key={quote(MARKUP)}", f"/-/search?q={quote('*owned*')}&scope=ever",
                    "/-/changes?with=" + MARCH, f"/-/?prefix={quote(MARKUP + '/')}", f"/-/?at={quote(MARKUP)}",
                    f"/-/search?q={quote(chr(34) + '><script>document.title=1</script>')}",
                    f"/-/?after={quote(MARKUP)}", f"/-/{quote(MARKUP)}"):
        driver.get(url + address)
        assert driver.title != "owned", address
        assert not driver.find_elements(By.CSS_SELECTOR, "img[src=x], main script"), address
    driver.get(url + "/-/")
    assert MARKUP in names(driver), names(driver)


def contents_run_no_scripts(driver, url):
    for key in ("evil.html", "evil.svg", "evil.txt"):
        driver.get(f"{url}/-/key?key={key}")
        frame = driver.find_element(By.CSS_SELECTOR, "iframe.preview")
        driver.switch_to.frame(frame)
        until("the preview", lambda: driver.find_elements(By.CSS_SELECTOR, "pre, img"))
        assert not driver.find_elements(By.TAG_NAME, "script"), key
        driver.switch_to.default_content()
        assert driver.title != "owned", key
        # What it says is text, or an image; opened alone, it is saved, or has no origin and no scripts.
        driver.get(f"{url}/-/raw?key={key}")
        assert driver.title != "owned", key
        status, headers, _ = get(f"{url}/-/raw?key={key}")
        assert status == 200 and "sandbox" in headers["Content-Security-Policy"], headers
        assert headers["X-Content-Type-Options"] == "nosniff", headers
        assert "html" not in headers["Content-Type"], headers


def every_answer_is_strict(driver, url):
    for address in ("/-/", "/-/key?key=data/table.csv", "/-/nothing", "/-/?at=rubbish", "/-/api/list", "/-/assets/page.js",
                    "/-/preview?key=evil.txt&kind=text"):
        status, headers, _ = get(url + address)
        policy = headers.get("Content-Security-Policy", "")
        assert "default-src 'none'" in policy and "base-uri 'none'" in policy, (address, policy)
        assert "frame-ancestors" in policy and "unsafe" not in policy, (address, policy)
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"
    assert get(url + "/-/?at=rubbish")[0] == 400
    assert get(url + "/-/nothing")[0] == 404


def json_says_the_same(driver, url):
    def ask(call):
        status, _, body = get(f"{url}/-/api/{call}")
        assert status == 200, (call, body)
        return json.loads(body)
    assert len(ask("snapshots")["snapshots"]) == 2
    items = {item["name"]: item for item in ask(f"list?prefix=data/&deleted=1&with={MARCH}")["items"]}
    assert items["lost.txt"]["isShown"] is False and items["lost.txt"]["deletedAt"].startswith("2024-05"), items
    assert items["many/"]["keys"] == 450, items["many/"]
    assert [version["size"] for version in ask("versions?key=data/table.csv")["versions"]] == [15, 15]
    assert ask("du?prefix=data/")["keys"] == 451
    change = ask(f"changes?with={MARCH}&prefix=data/")["folder"]["change"]
    assert (change["removed"], change["modified"], change["added"]) == (1, 1, 450), change
    found = ask("find?q=lost&scope=deleted")["found"]
    assert [one["key"] for one in found] == ["data/lost.txt"], found
    points = ask("history?prefix=data/")["points"]
    assert points[-1]["keys"] == 451 and points[0]["keys"] == 2, (points[0], points[-1])


def large_folders_have_pages(driver, url):
    driver.get(url + "/-/?prefix=data/many/")
    seen = names(driver)
    assert len(seen) == 200, len(seen)
    while more := driver.find_elements(By.CSS_SELECTOR, "a[rel=next]"):
        more[0].click()
        until("the next page", lambda: names(driver) and names(driver)[0] not in seen)
        seen += names(driver)
    assert len(seen) == len(set(seen)) == 450, len(seen)


def pictures_are_drawn(driver, url):
    driver.get(url + "/-/pictures")
    assert len(driver.find_elements(By.CSS_SELECTOR, ".chart svg[role=img]")) == 3
    assert "data/" in driver.find_element(By.CSS_SELECTOR, ".bars").text
    no_complaints(driver)


def narrow_and_dark(driver, url):
    for address in ("/-/?prefix=data/&deleted=1&with=" + MARCH, "/-/key?key=data/table.csv", "/-/pictures", "/-/search?q=a",
                    "/-/changes?with=" + MARCH, "/-/"):
        driver.get(url + address)
        resize(driver, 360, 800)
        assert driver.execute_script("return document.documentElement.scrollWidth") <= 360, address
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
        "features": [{"name": "prefers-color-scheme", "value": "dark"}]})
    colour = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert sum(int(part) for part in colour[4:-1].split(",")) < 150, colour


def without_scripts(driver, url):
    driver.get(url + "/-/?prefix=data/")
    assert not driver.find_elements(By.CSS_SELECTOR, "input[type=range]")
    # By a tick of the time line, by ◀, and by the form.
    driver.get(url + driver.find_element(By.CSS_SELECTOR, ".rail a").get_dom_attribute("href"))
    assert "lost.txt" in names(driver), driver.current_url
    driver.get(url + "/-/?prefix=data/")
    driver.find_element(By.CSS_SELECTOR, "a[data-step=back]").click()
    until("a step", lambda: "at=" in driver.current_url)
    driver.get(url + "/-/?prefix=data/")
    button = [one for one in driver.find_elements(By.CSS_SELECTOR, "#dates button") if one.text == "Compare"][0]
    button.click()
    until("the form", lambda: "with=" in driver.current_url)
    assert "many/" in names(driver)
    driver.get(url + "/-/key?key=data/table.csv")
    driver.switch_to.frame(driver.find_element(By.CSS_SELECTOR, "iframe.preview"))
    until("the preview", lambda: driver.find_elements(By.TAG_NAME, "td"))


def main():
    server = Server(sys.argv[1:])
    checks = [
        opens_and_goes_into_folders, the_slider_moves_through_time, steps_lead_from_change_to_change,
        a_file_has_its_versions, two_dates_are_compared, search_finds_what_was_deleted, the_keyboard_is_enough,
        strangers_names_are_no_markup, contents_run_no_scripts, every_answer_is_strict, json_says_the_same,
        large_folders_have_pages, pictures_are_drawn, narrow_and_dark]
    failed = 0
    try:
        for group, has_scripts in ((checks, True), ([without_scripts], False)):
            driver = open_browser(has_scripts=has_scripts)
            for check in group:
                driver.get_log("browser")
                try:
                    check(driver, server.url)
                    print(f"ok {check.__name__}", flush=True)
                except Exception:
                    failed += 1
                    print(f"FAILED {check.__name__}\n{traceback.format_exc(limit=3)}", flush=True)
            driver.quit()
    finally:
        server.stop()
    sys.exit(1 if failed else 0)


main()
