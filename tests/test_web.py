"""The inbox page as it is served: its own files and nothing else, and nothing of a stranger's that could run."""

import re
from pathlib import Path

import httpx
import pytest

from crm import web
from tests.system import System

FILES = Path(web.__file__).parent / "inbox"
SCRIPTS = sorted(FILES.glob("*.js"))


@pytest.fixture
async def page(system: System) -> httpx.Response:
    return await system.client().get("/inbox")


async def test_the_page_loads_only_its_own_programs_and_styles(page: httpx.Response) -> None:
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert [policy[name] for name in ("default-src", "script-src", "style-src")] == ["'none'", "'self'", "'self'"]
    assert (policy["connect-src"], policy["frame-ancestors"]) == ("'self'", "'none'")
    assert (policy["require-trusted-types-for"], policy["trusted-types"]) == ("'script'", "'none'")
    assert (page.headers["x-content-type-options"], page.headers["x-frame-options"]) == ("nosniff", "DENY")
    assert not re.search(r"<style|style=|<script(?![^>]*src=)|\son\w+=|https?://", page.text)


async def test_every_file_the_page_names_is_served_with_its_type(system: System, page: httpx.Response) -> None:
    named = set(re.findall(r'(?:src|href)="(/inbox/[^"]+)"', page.text))
    for script in SCRIPTS:
        named |= {f"/inbox/{name}" for name in re.findall(r'from "\./([\w.]+)"', script.read_text())}
        named |= set(re.findall(r'"(/inbox/[\w.]+)', script.read_text()))
    kinds = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    for name in named:
        answer = await system.client().get(name.partition("#")[0])
        kind = kinds[Path(name.partition("#")[0]).suffix]
        assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, kind), name
    assert len(named) > 20


async def test_a_file_that_a_browser_has_is_not_sent_again(system: System, page: httpx.Response) -> None:
    again = await system.client().get("/inbox", headers={"If-None-Match": f'"x", {page.headers["etag"]}'})
    assert (again.status_code, again.content, page.headers["cache-control"]) == (304, b"", "no-cache")
    assert again.headers["etag"] == page.headers["etag"]
    assert (await system.client().get("/inbox", headers={"If-None-Match": '"other"'})).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/inbox/", "/inbox/index.html", "/inbox/x.js", "/inbox/../__init__.py", "/inbox/%2e%2e/__init__.py"],
)
async def test_nothing_but_its_files_is_served(system: System, path: str) -> None:
    answer = await system.client().get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_another_method_is_refused(system: System) -> None:
    answer = await system.client().post("/inbox")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_no_text_becomes_html(script: Path) -> None:
    """A guest's message is an attacker's text: nodes are built, never parsed."""
    parses = r"(inner|outer|insertAdjacent|set)HTML|document\.write|DOMParser|srcdoc|\beval\b|new Function"
    assert [line for line in script.read_text().splitlines() if re.search(parses, line.partition("// ")[0])] == []


def test_every_icon_that_is_used_is_drawn() -> None:
    drawn = set(re.findall(r'<symbol id="(\w+)"', (FILES / "icons.svg").read_text()))
    text = "\n".join(path.read_text() for path in SCRIPTS)
    used = set(re.findall(r'(?:\b(?:icon|tool|fact|standing)\(|icon: )"(\w+)"', text))
    assert used - drawn == set()


def test_the_pages_files_fit_in_one_sitting_too() -> None:
    assert {path.name for path in FILES.iterdir() if len(path.read_text().splitlines()) > 320} == set()
