from __future__ import annotations

import gzip

from tests.support.web import WebHouse

FILE = "/static/app.js"


def test_a_file_comes_with_its_type_and_a_mark_of_its_content(web: WebHouse) -> None:
    answer = web.browser().get(FILE)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cache-control"] == "no-cache"
    again = web.browser().get(FILE, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status, again.body) == (304, b"")


def test_a_file_that_is_asked_for_by_version_may_be_kept(web: WebHouse) -> None:
    assert web.browser().get(f"{FILE}?v=1").headers["cache-control"] == "public, max-age=3600"


def test_a_file_is_compressed_for_who_takes_it(web: WebHouse) -> None:
    plain = web.browser().get(FILE).body
    zipped = web.browser().get(FILE, headers={"Accept-Encoding": "gzip"})
    assert zipped.headers["content-encoding"] == "gzip"
    assert zipped.body == plain
    assert int(zipped.headers["content-length"]) == len(gzip.compress(plain, 9, mtime=0))


def test_nothing_else_is_there(web: WebHouse) -> None:
    for path in ("/static/", "/static/nothing.js", "/static/..%2Fservice.py", "/static/%2e%2e/service.py"):
        assert web.browser().get(path).status == 404


def test_static_files_are_served_with_a_tag_and_not_listed(web: WebHouse) -> None:
    browser = web.browser()
    answer = browser.get("/static/app.css")
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/css")
    again = browser.get("/static/app.css", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status == 304 and not again.body
    zipped = browser.get("/static/app.css", headers={"Accept-Encoding": "gzip"})
    assert zipped.headers["content-encoding"] == "gzip" and zipped.body == answer.body
    assert browser.get("/static").status == 404
