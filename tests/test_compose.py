"""compose.prod.yml keeps what it promises: limits, rights, health, secrets, and one door to the outside."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from crm.core import config

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.prod.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
STEADY = ["nginx", "certbot", "backend", "worker", "postgres", "redis", "backup"]
ONCE = "migrate"
OURS = ("crm:", "crm}:", "crm}-backup:")


def mebibytes(limit: str) -> int:
    assert limit.endswith("m")
    return int(limit[:-1])


def test_every_service_that_runs_is_there_and_the_others_are_asked_for() -> None:
    assert [name for name, service in SERVICES.items() if "profiles" not in service] == STEADY
    assert {name: service["profiles"] for name, service in SERVICES.items() if name not in STEADY} == {
        "backend-green": ["green"],
        ONCE: ["tools"],
    }


def test_all_of_it_fits_a_host_of_two_gigabytes() -> None:
    assert sum(mebibytes(SERVICES[name]["mem_limit"]) for name in STEADY) * 2**20 < 1.6e9


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_right_and_a_bounded_log(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert service["logging"] == {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}}
    assert service["restart"] == ("no" if name == ONCE else "always")
    assert service["pids_limit"] <= 200


@pytest.mark.parametrize("name", ["backend", "backend-green", "worker", ONCE])
def test_a_name_whose_answer_was_lost_is_asked_for_again_soon(name: str) -> None:
    options = "timeout:1 attempts:4"  # a connection may take 5 s in all
    assert SERVICES[name]["environment"]["RES_OPTIONS"] == options


@pytest.mark.parametrize("name", STEADY)
def test_a_service_is_asked_how_it_is_and_given_time_to_begin(name: str) -> None:
    health = SERVICES[name]["healthcheck"]
    assert health["test"][0] in ("CMD", "CMD-SHELL")
    assert re.fullmatch(r"\d+s", health["start_period"])


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_waits_for_what_it_needs_to_be_well(name: str) -> None:
    needs = SERVICES[name].get("depends_on", {})
    assert all(need == {"condition": "service_healthy"} for need in needs.values())
    assert needs or name in ("nginx", "postgres", "redis")


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_named_by_an_exact_version(name: str) -> None:
    image = SERVICES[name]["image"]
    if not any(own in image for own in OURS):
        assert re.fullmatch(r"\$\{[A-Z]+_IMAGE:-docker\.io/[a-z/]+:v?\d+\.\d+(\.\d+)?(-[a-z]+)?\}", image)


def test_only_nginx_has_ports_and_the_data_has_no_way_out() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["nginx"]
    assert COMPOSE["networks"]["inside"]["internal"] is True
    for name in ("postgres", "redis"):
        assert SERVICES[name]["networks"] == ["inside"]
    assert SERVICES["certbot"]["networks"] == ["outside"]


def test_no_secret_is_in_the_environment() -> None:
    secret = re.compile(r"PASSWORD|SECRET|TOKEN|KEYS|_URL$")
    open_ones = {"MEDIA_URL", "FRONTEND_URL", "AWS_SECRET_ACCESS_KEY", "BACKUP_MIRROR_URL", "BACKUP_PING_URL"}
    for name, service in SERVICES.items():
        plain = {key for key in service.get("environment", {}) if secret.search(key) and not key.endswith("_FILE")}
        plain -= open_ones
        assert plain == set(), name
        for key, path in service.get("environment", {}).items():
            if name != ONCE and path.startswith("/run/secrets/"):  # it shares the names, and needs one
                assert path.removeprefix("/run/secrets/") in service["secrets"], (name, key)


def test_every_secret_variable_may_come_from_a_file(tmp_path: Path) -> None:
    required = ["database_url", "database_system_url", "jwt_secret", "jwt_refresh_secret", "encryption_keys"]
    names = [*required, "whatsapp_app_secret", "whatsapp_webhook_verify_token", "metrics_token", "redis_password"]
    for number, name in enumerate(names):
        scheme = "postgresql://" if name.endswith("_url") else ""
        (tmp_path / name).write_text(f"{scheme}abcdefghijklmnopqrstuvwxyz0123456789-{number}\n")
    settings = config.load({f"{name.upper()}_FILE": str(tmp_path / name) for name in names})
    assert [getattr(settings, name)[-1] for name in names] == [str(number) for number in range(len(names))]
