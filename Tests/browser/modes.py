"""The page where a key is wanted, and where it opens at a date.

usage: modes.py PROGRAM serve --store STORE …     Prints a line for each check. The store is that of PageTests.swift; KEYS is a
file of keys, of which KEY_ID and KEY_SECRET are one.
"""
import os
import sys
import traceback
import urllib.parse

from selenium.webdriver.common.by import By

from browser import Server, open_browser, until

FIRST = "2024-03-20T01-00Z"


def names(driver):
    return [row.get_attribute("data-name") for row in driver.find_elements(By.CSS_SELECTOR, "#view tr[data-name]")]


def fetched(driver, link):
    """What the page gets from an address: as a click on a link would."""
    return driver.execute_async_script("""
        const done = arguments[arguments.length - 1];
        fetch(arguments[0]).then(async (answer) => done([answer.status, await answer.text()])).catch((e) => done([0, `${e}`]));
        """, link)


def with_key(url):
    ident, secret = (urllib.parse.quote(os.environ[name], safe="") for name in ("KEY_ID", "KEY_SECRET"))
    return url.replace("http://", f"http://{ident}:{secret}@")


def nobody_gets_in_without_a_key(driver, url):
    driver.get(url + "/-/?prefix=data/")
    assert "many/" not in driver.page_source and not names(driver), driver.page_source[:500]


def a_key_opens_everything(driver, url):
    driver.get(with_key(url) + "/-/")
    assert "data/" in names(driver), driver.page_source[:500]
    # From here on the browser knows it.
    driver.get(url + "/")
    assert driver.current_url == url + "/-/", driver.current_url
    driver.find_element(By.LINK_TEXT, "data/").click()
    until("the folder", lambda: "table.csv" in names(driver))
    driver.execute_script("""
        const slider = document.querySelector("input[type=range]");
        slider.value = String(Date.parse("2024-03-21T00:00:00Z") / 1000);
        slider.dispatchEvent(new Event("input", { bubbles: true }));
        slider.dispatchEvent(new Event("change", { bubbles: true }));""")
    until("the past", lambda: "lost.txt" in names(driver))
    driver.get(url + "/-/key?key=data/table.csv")
    driver.switch_to.frame(driver.find_element(By.CSS_SELECTOR, "iframe.preview"))
    until("the preview", lambda: driver.find_elements(By.TAG_NAME, "td"))
    driver.switch_to.default_content()
    link = driver.find_elements(By.LINK_TEXT, "download")[0].get_attribute("href")
    assert fetched(driver, link) == [200, "site,count\nA,2\n"], link
    assert fetched(driver, url + "/-/api/snapshots")[0] == 200
    # S3 wants signatures, whatever the browser knows.
    assert fetched(driver, url + "/reef-survey/data/table.csv")[0] in (400, 403)


def images_are_drawn(driver, url):
    driver.get(url + "/-/key?key=evil.svg")
    driver.switch_to.frame(driver.find_element(By.CSS_SELECTOR, "iframe.preview"))
    image = until("the image", lambda: driver.find_elements(By.TAG_NAME, "img"))[0]
    until("its bytes", lambda: image.get_property("naturalWidth") == 9)


def the_page_opens_at_its_date(driver, url):
    driver.get(url + "/")
    assert "20 March 2024" in driver.find_element(By.ID, "moment").text
    driver.find_element(By.LINK_TEXT, "data/").click()
    until("the folder", lambda: "lost.txt" in names(driver))
    assert "20 March 2024" in driver.find_element(By.ID, "moment").text
    take = driver.find_element(By.ID, "view").get_attribute("textContent")
    assert f"--at {FIRST}" in take, take
    driver.get(url + "/-/key?key=data/table.csv")
    link = driver.find_elements(By.LINK_TEXT, "download")[-1].get_attribute("href")
    assert fetched(driver, link) == [200, "site,count\nA,1\n"], link
    assert fetched(driver, url + "/-/raw?key=data/lost.txt") == [200, "gone tomorrow\n"]


def the_latest_date_is_a_click_away(driver, url):
    driver.get(url + "/-/?prefix=data/")
    driver.find_element(By.LINK_TEXT, "Latest").click()
    until("the latest", lambda: "many/" in names(driver))
    assert "lost.txt" not in names(driver)
    driver.find_element(By.LINK_TEXT, "table.csv").click()
    until("the file", lambda: driver.find_elements(By.LINK_TEXT, "download"))
    assert "1 June 2024" in driver.find_element(By.ID, "moment").text
    assert "--latest/data/table.csv" in driver.find_element(By.ID, "view").get_attribute("textContent")
    driver.refresh()
    assert "1 June 2024" in driver.find_element(By.ID, "moment").text
    driver.find_element(By.CSS_SELECTOR, ".brand").click()
    until("home", lambda: "20 March 2024" in driver.find_element(By.ID, "moment").text)
    slider = driver.find_element(By.CSS_SELECTOR, "input[type=range]")
    driver.execute_script("""
        arguments[0].value = arguments[0].max;
        arguments[0].dispatchEvent(new Event("change", { bubbles: true }));""", slider)
    until("the end of the slider", lambda: "at=latest" in driver.current_url)


def main():
    failed = 0
    modes = (
        (["--credentials", os.environ["KEYS"]], [nobody_gets_in_without_a_key, a_key_opens_everything, images_are_drawn]),
        (["--at", FIRST], [the_page_opens_at_its_date, the_latest_date_is_a_click_away, images_are_drawn]))
    for words, checks in modes:
        server = Server(sys.argv[1:] + words)
        driver = open_browser()
        try:
            for check in checks:
                try:
                    check(driver, server.url)
                    print(f"ok {check.__name__}", flush=True)
                except Exception:
                    failed += 1
                    print(f"FAILED {check.__name__}\n{traceback.format_exc(limit=3)}", flush=True)
        finally:
            driver.quit()
            server.stop()
    sys.exit(1 if failed else 0)


main()
