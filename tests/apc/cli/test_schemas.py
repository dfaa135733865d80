"""docs/json.md, the JSON Schemas and the commands agree. Commands are run on a small network, end to end."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from apc.cli import COMMANDS, main

ROOT = Path(__file__).parent.parent.parent.parent
FOLDER = ROOT / "apc" / "schemas"
SCHEMAS = sorted(path.name for path in FOLDER.glob("*.json"))
ENERGY_PARTS = ["search", "write", "shift", "control", "movement", "leakage"]


def schema(command: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"apc.{command}.json").read_text(encoding="utf-8"))


def keys(part: object) -> Iterator[str]:
    """Every property name of a schema."""
    if isinstance(part, dict):
        if isinstance(part.get("properties"), dict):
            yield from part["properties"]
        for inner in part.values():
            yield from keys(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from keys(inner)


def check(command: str, text: str) -> dict[str, Any]:
    """The parsed output of a command, valid against its schema."""
    document = json.loads(text)
    assert next(iter(document)) == "schema"
    jsonschema.Draft202012Validator(schema(command)).validate(document)
    return document


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_schemas_of_commands(name: str) -> None:
    command = name.removeprefix("apc.").removesuffix(".json")
    document = schema(command)
    jsonschema.Draft202012Validator.check_schema(document)
    assert command in COMMANDS
    assert document["$id"] == document["properties"]["schema"]["const"] == f"apc.{command}/1"


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_page_explains_every_key(name: str) -> None:
    command = name.removeprefix("apc.").removesuffix(".json")
    page = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    title = f"## `apc {command}`: `apc.{command}/1`"
    assert title in page
    section = page.split(title)[1].split("\n## ")[0] + page.split("## Energy")[1].split("\n## ")[0]
    named = set(re.findall(r"\w+", " ".join(re.findall(r"`[^`]*`", section))))
    assert set(keys(schema(command))) - named - {"schema"} == set()


def test_targets(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["targets", "--json"]) == 0
    listed = check("targets", capsys.readouterr().out)
    assert main(["targets", "show", "rtm-ap-projected", "--json"]) == 0
    shown = check("targets", capsys.readouterr().out)
    assert shown["targets"] == [target for target in listed["targets"] if target["name"] == "rtm-ap-projected"]
