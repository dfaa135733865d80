"""What commands print for tests/programs.py's tiny program, against the CHECK lines of the .check files here.

The first line of a file is `RUN: apc <arguments>`; PROGRAM stands for the tiny program's file.
"""

from pathlib import Path

import pytest
from filecheck.matcher import Matcher
from filecheck.options import Options

from apc import artifact
from apc.cli import main
from tests.programs import tiny_program

FILES = sorted(Path(__file__).parent.glob("*.check"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_output(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "tiny.apc"
    artifact.save(tiny_program(), program)
    mark, tool, *arguments = path.read_text(encoding="utf-8").splitlines()[0].split()
    assert (mark, tool) == ("RUN:", "apc")
    assert main([str(program) if word == "PROGRAM" else word for word in arguments]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    output = tmp_path / "output.txt"
    output.write_text(printed.out, encoding="utf-8")
    options = Options(match_filename=str(path), input_file=str(output))
    assert Matcher.from_opts(options).run() == 0, capsys.readouterr().err


def test_there_is_a_file_for_every_level() -> None:
    assert {"asm", "dag", "graph", "macro", "micro", "summary"} <= {path.stem for path in FILES}
