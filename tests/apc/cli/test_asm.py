import json
import os
from pathlib import Path

import jsonschema
import pytest

from apc import artifact
from apc.cli import main
from apc.cli.asm import _counted
from ir.assembly import print_program
from tests.programs import tiny_program

SCHEMA = Path(__file__).parent.parent.parent.parent / "apc" / "schemas" / "apc.asm.json"


def test_assembles_to_the_same_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, output = tmp_path / "tiny.asm", tmp_path / "tiny.apc"
    text.write_text(print_program(tiny_program()), encoding="utf-8")
    assert main(["asm", str(text), "-o", str(output)]) == 0
    assert output.read_bytes() == artifact.to_bytes(tiny_program())
    assert capsys.readouterr().out == f"{output}: tiny, 2 layers, 29 instructions\n"


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, output = tmp_path / "tiny.asm", tmp_path / "tiny.apc"
    text.write_text(print_program(tiny_program()), encoding="utf-8")
    assert main(["asm", str(text), "-o", str(output), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(document)
    assert document["instructions"] == 29


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", ":0: the text ends without a line 'format'"),
        (b"format 1\nprogramme\n", ":2: cannot read 'programme'; expected a name in \"quotes\""),
        (b"format 1\nhello\n", ":2: cannot read 'hello'; expected a directive or the address of an instruction"),
        (b"fromat 1\n", ":1: cannot read 'fromat'; expected 'format', perhaps"),
        (b"format one\n", ":1: cannot read 'one'; expected a whole number"),
        (b"\xff\xfe", ": not UTF-8 text"),
        (b'format 1\nprogram "x"\nmodel ""\nlevel "O0"\n', ": the target has no table 'array'"),
    ],
)
def test_bad_text(tmp_path: Path, content: bytes, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "bad.asm"
    text.write_bytes(content)
    assert main(["asm", str(text), "-o", str(tmp_path / "bad.apc")]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"apc: error: {text}{reason}") and error.count("\n") == 1
    assert os.listdir(tmp_path) == ["bad.asm"]


def test_no_such_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["asm", str(tmp_path / "none.asm"), "-o", str(tmp_path / "x.apc")]) == 2
    assert "none.asm: No such file" in capsys.readouterr().err


def test_progress_counts_the_text_that_is_read() -> None:
    """In MiB, where there is more than one; the lines come through as they are."""
    calls: list[tuple[int, ...]] = []
    lines = ["x" * 199 + "\n"] * 25_000
    size = sum(map(len, lines))
    assert list(_counted(lines, size, lambda done, total, label="": calls.append((done, total)))) == lines
    assert calls == [(0, size >> 20), (10_001 * 200 >> 20, size >> 20), (20_001 * 200 >> 20, size >> 20)]
    calls.clear()
    assert list(_counted(lines[:9], 1800, lambda done, total, label="": calls.append((done, total)))) == lines[:9]
    assert calls == []
