"""How pages are read, run, and compared with what is printed."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.docs import pages
from tests.docs.__main__ import renewed
from tests.docs.pages import blocks, commands
from tests.docs.runner import PageError, Session, agrees, shell


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a\nb", "a\nb\n", True),
        ("a", "a\nb", False),
        ("a\nb", "a", False),
        ("  a  ", "  a\n\n", True),
        ("a ... c", "a b c", True),
        ("a ... c", "a b c d", False),
        ("a\n...\nd", "a\nb\nc\nd", True),
        ("a\n...\nd", "a\nd", True),
        ("a\n...\nd", "a\nb\nc", False),
        ("...\nb\n...\nb", "a\nb\nc\nb", True),
        ("...\nb\n...\nb", "a\nb\nc", False),
        ("a\n...", "a\nb\nc", True),
        ("...", "", True),
        ("a.c", "abc", False),
        ("1 nJ", "2 nJ", False),
    ],
)
def test_dots_stand_for_anything(shown: str, printed: str, same: bool) -> None:
    assert agrees(shown.splitlines(), printed, exact=True) == same


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("energy   1.5 nJ", "energy 12.25 nJ", True),
        ("energy 1,024 nJ", "energy -3e-07 nJ", True),
        ("energy 1.5 nJ", "power 1.5 nJ", False),
        ("━━━ ━━━", "━━ ━━━━", True),
    ],
)
def test_numbers_may_vary(shown: str, printed: str, same: bool) -> None:
    assert agrees([shown], printed, exact=False) == same


PAGE = """\
# A page

```console
$ echo one \\
    two
one two
$ echo three
```

<!-- exit 3, slow -->
```sh
exit 3  # of its own
```

<!-- not run: WHY -->
```sh
rm -r .
```

<!-- setup
x = 2
-->
```python
print(x + 1)
```

<!-- prints -->
```text
4
```

```toml title="a.toml"
key = 1
```
"""


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "page.md"
    path.write_text(PAGE, encoding="utf-8")
    return path


def test_blocks_say_what_they_are(page: Path) -> None:
    found = list(blocks(page))
    assert [block.language for block in found] == ["console", "sh", "sh", "setup", "python", "text", "toml"]
    assert [block.runs for block in found] == [True, True, False, True, True, True, True]
    assert [(block.status, block.slow) for block in found[:2]] == [(0, False), (3, True)]
    assert all(PAGE[block.start : block.stop] == block.text for block in found)
    first, *_ = found
    assert str(first) == "page.md:4"
    assert [(command.line, command.output) for command in commands(first)] == [
        ("echo one two", ["one two"]),
        ("echo three", []),
    ]


def test_a_page_runs_in_its_folder(page: Path, tmp_path: Path) -> None:
    session = Session(tmp_path)
    printed = [session.run(block) for block in blocks(page) if block.runs]
    assert printed == [["one two\n", "three\n"], [""], [], [], ["3\n"], []]
    assert (tmp_path / "a.toml").read_text(encoding="utf-8") == "key = 1\n"


def test_another_status_fails(page: Path, tmp_path: Path) -> None:
    page.write_text(PAGE.replace("exit 3,", "exit 4,"), encoding="utf-8")
    _, failing, *_ = blocks(page)
    with pytest.raises(PageError, match=re.escape("page.md:12: `exit 3  # of its own` exited with 3, not 4")):
        Session(tmp_path).run(failing)


def test_what_is_wrong_is_renewed(page: Path) -> None:
    console, *_, shown, _ = blocks(page)
    text = renewed(console, ["one  two\n", "three\n"])
    assert text == "$ echo one \\\n    two\none  two\n$ echo three\n"
    assert renewed(shown, ["3\n"]) == "3\n"


@pytest.mark.parametrize(
    ("line", "status", "printed"),
    [
        ("apc completion bash > script && wc -l < script > /dev/null && echo done", 0, "done\n"),
        ("apc completion bash | grep -c '^complete '", 0, "1\n"),
        ("apc nothing && echo done", 2, "apc: error: "),
        ("false && echo done", 1, ""),
        ("echo 'a > b | c && d'", 0, "a > b | c && d\n"),
    ],
)
def test_lines_of_shell(line: str, status: int, printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = shell(line)
    assert (found[0], found[1][: len(printed) or None]) == (status, printed)
    assert ("script" in os.listdir(tmp_path)) == ("> script" in line)
