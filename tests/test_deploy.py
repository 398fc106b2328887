"""What deploy/ says fits the app: the servers' options, addresses and files of the compose file, the base of the image, the Space."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import yaml

from facelift.cli.app import parser
from facelift.serving.settings import ServiceSettings

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SERVERS = {name: service for name, service in COMPOSE["services"].items() if "build" in service}


def test_each_server_of_the_compose_file_starts_as_it_is_told_and_answers_to_its_name():
    assert set(SERVERS) == {"server-1", "server-2"}
    for name, service in SERVERS.items():
        python, script, *options = service["command"]
        args = parser().parse_args(options)
        assert (python, script) == ("python", "app.py") and args.listen and args.keep_nothing and args.proxy and name in args.host
        assert (DEPLOY / service["build"]["context"] / "Dockerfile").is_file()


def test_servers_have_time_to_end_and_may_write_nowhere_but_in_memory():
    for service in COMPOSE["services"].values():
        assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"]
    for service in SERVERS.values():
        assert int(service["stop_grace_period"].removesuffix("s")) > ServiceSettings.drain_seconds
        assert service["tmpfs"] and service["mem_limit"] and service["pids_limit"] and not service.get("volumes")


def test_the_proxy_reaches_the_servers_and_asks_whether_they_are_ready():
    proxy, caddyfile = COMPOSE["services"]["proxy"], (DEPLOY / "Caddyfile").read_text()
    assert set(proxy["depends_on"]) == set(SERVERS)
    port = parser().get_default("port")
    assert all(f"{name}:{port}" in caddyfile for name in SERVERS) and "health_uri /readyz" in caddyfile
    for volume in proxy["volumes"]:
        assert (DEPLOY / volume.partition(":")[0]).is_file()
    inside = proxy["ports"][0].rpartition(":")[2]
    assert f"{{$SITE::{inside}}}" in caddyfile and proxy["ports"][0].startswith("127.0.0.1:")
    allowed = int(re.search(r"max_size (\d+)MB", caddyfile)[1]) * 10**6
    assert allowed > ServiceSettings.photo_bytes + ServiceSettings.call_bytes


def test_the_image_says_how_its_base_is_pinned_and_starts_the_app():
    assert re.search(r"^ARG BASE=(\S+)\nFROM \$\{BASE\}$", DOCKERFILE, re.MULTILINE)
    assert "--build-arg BASE=" in DOCKERFILE and "@sha256:" in DOCKERFILE
    assert "@sha256:" in (ROOT / "docs" / "scaling.md").read_text() and "BASE" in SERVERS["server-1"]["build"]["args"]
    assert "USER 1000" in DOCKERFILE and f"EXPOSE {parser().get_default('port')}" in DOCKERFILE and "/readyz" in DOCKERFILE
    command = re.search(r"^CMD (\[\"python\", \"app.py\".*\])$", DOCKERFILE, re.MULTILINE)[1]
    parser().parse_args(yaml.safe_load(command)[2:])
    copied = re.findall(r"^COPY (?!\. )(\S+)", DOCKERFILE, re.MULTILINE)
    locks = re.findall(r"^ARG LOCK=(\S+)", DOCKERFILE, re.MULTILINE)
    assert copied and all((DEPLOY / lock).is_file() for lock in [*locks, *re.findall(r"LOCK=(\S+\.lock)", DOCKERFILE)])


def test_a_space_is_told_what_it_needs():
    """The keys are those of https://huggingface.co/docs/hub/spaces-config-reference."""
    _, front, text = (DEPLOY / "space" / "README.md").read_text().split("---\n", 2)
    told = yaml.safe_load(front)
    assert told["sdk"] == "docker" and told["app_port"] == parser().get_default("port") and told["license"] == "apache-2.0"
    assert told["title"] and len(told["short_description"]) <= 60 and text.strip()
    colours = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
    assert {told["colorFrom"], told["colorTo"]} <= colours


def test_commands_of_the_documents_are_options_of_the_app():
    for document in (ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "docs" / "scaling.md"):
        for line in re.findall(r"^(?:facelift app|python app\.py)(.*)$", document.read_text(), re.MULTILINE):
            parser().parse_args(shlex.split(line, comments=True))
