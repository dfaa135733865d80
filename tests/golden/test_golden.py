"""What commands print, against the CHECK lines of the .check files here.

The first line of a file is `RUN: apc <arguments>`; PROGRAM stands for the file of tests/programs.py's tiny program,
MODEL for that of tests/apc/small.py's network, INPUT for an image for PROGRAM. With `2>&1` at the end, what went to
stderr comes before the rest. TRACE stands for a file that is written and checked after what was printed.
"""

from pathlib import Path

import numpy as np
import pytest
from filecheck.matcher import Matcher
from filecheck.options import Options

from apc import artifact
from apc.cli import main
from tests.apc.small import save
from tests.programs import tiny_program

FILES = sorted(Path(__file__).parent.glob("*.check"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_output(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {"PROGRAM": tmp_path / "tiny.apc", "MODEL": save(tmp_path)[0]}
    files |= {"INPUT": tmp_path / "x.npz", "TRACE": tmp_path / "trace.json"}
    artifact.save(tiny_program(), files["PROGRAM"])
    pixels = np.arange(32, dtype=np.float32).reshape(1, 2, 4, 4) % 11 / 8
    np.savez(files["INPUT"], image=pixels)
    mark, tool, *arguments = path.read_text(encoding="utf-8").splitlines()[0].split()
    assert (mark, tool) == ("RUN:", "apc")
    both = arguments[-1] == "2>&1"
    assert main([str(files.get(word, word)) for word in arguments[: len(arguments) - both]]) == 0
    printed = capsys.readouterr()
    assert both or printed.err == ""
    output = tmp_path / "output.txt"
    traced = files["TRACE"].read_text(encoding="utf-8") if files["TRACE"].exists() else ""
    output.write_text(printed.err + printed.out + traced, encoding="utf-8")
    options = Options(match_filename=str(path), input_file=str(output))
    assert Matcher.from_opts(options).run() == 0, capsys.readouterr().err


def test_there_is_a_file_for_every_level() -> None:
    assert {"asm", "dag", "graph", "macro", "micro", "step", "summary", "trace"} <= {path.stem for path in FILES}
