import json
from pathlib import Path

import jsonschema
import pytest

from apc import artifact
from apc.cli import main
from ir.assembly import print_program
from tests.programs import tiny_program

SCHEMA = Path(__file__).parent.parent.parent.parent / "apc" / "schemas" / "apc.disasm.json"


@pytest.fixture
def program(tmp_path: Path) -> str:
    path = tmp_path / "tiny.apc"
    artifact.save(tiny_program(), path)
    return str(path)


def test_prints_the_text(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["disasm", program]) == 0
    assert capsys.readouterr().out == print_program(tiny_program())


def test_writes_a_file_that_assembles_to_the_same_bytes(
    program: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, back = tmp_path / "tiny.asm", tmp_path / "back.apc"
    assert main(["disasm", program, "-o", str(text)]) == 0
    assert capsys.readouterr().out == ""
    assert main(["asm", str(text), "-o", str(back)]) == 0
    assert back.read_bytes() == Path(program).read_bytes()


def test_json(program: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["-o", str(tmp_path / "tiny.asm")]):
        assert main(["disasm", program, *arguments, "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(document)
        assert (document["text"] is None) == bool(arguments)


def test_a_damaged_program(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    content = bytearray(Path(program).read_bytes())
    content[100] ^= 1
    Path(program).write_bytes(content)
    assert main(["disasm", program]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"apc: error: {program}: the checksum at its end") and error.count("\n") == 1
