"""The runbook in both languages: the same commands, of programs, options and services that there are."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PAGES = ["ops/README.md", "ops/LEIAME.md"]
SERVICES = set(yaml.safe_load((ROOT / "compose.prod.yml").read_text())["services"])


def commands(page: Path) -> list[str]:
    """Each line of the boxes."""
    boxes = re.findall(r"^```sh\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [line for box in boxes for line in box.splitlines() if line]


def parts(page: Path) -> list[str]:
    """What stands before the first heading, and under each."""
    return page.read_text().split("\n## ")


def test_both_languages_have_the_same_commands_in_the_same_order() -> None:
    english, portuguese = (commands(ROOT / page) for page in PAGES)
    assert len(english) > 15
    assert [line.replace("VERSÃO", "VERSION").replace("ARQUIVO", "FILE") for line in portuguese] == english


def test_both_languages_have_the_same_rows_of_what_one_sees() -> None:
    rows = [re.findall(r"^\| (\S+)", "".join(parts(ROOT / page)[:6]), re.MULTILINE) for page in PAGES]
    assert len(rows[0]) == len(rows[1]) > 15


@pytest.mark.parametrize("page", PAGES)
def test_what_the_page_names_is_there(page: str) -> None:
    """Programs and files of ops/ by their path, in boxes and in the text; services behind ops/compose."""
    text = (ROOT / page).read_text()
    for path in set(re.findall(r"`?\b(ops/[a-z_./-]*[a-z])", text)):
        assert (ROOT / path).exists(), path
    for service in re.findall(r"ops/compose (?:logs --tail \d+|restart|stop|exec -T) ([a-z-]+)", text):
        assert service in SERVICES, service


@pytest.mark.parametrize("line", commands(ROOT / PAGES[0]))
def test_an_option_is_known_to_its_program(line: str) -> None:
    """By its own text; ops/compose hands all on to Docker's."""
    program, *words = line.split()
    text = (ROOT / program).read_text()
    if program == "ops/backup":
        text += (ROOT / "ops/backups/__main__.py").read_text()
    assert program == "ops/compose" or all(word in text for word in words if word.startswith("--"))
