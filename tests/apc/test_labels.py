"""Label files, and which output they are of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from apc.labels import Classifier, read_labels
from ir.errors import UserError
from ir.program import Program
from tests.programs import tiny_program


@pytest.fixture
def program() -> Program:
    return tiny_program()


@pytest.mark.parametrize("name", ["y.npy", "y.npz"])
def test_both_formats_are_read(tmp_path: Path, name: str) -> None:
    labels = np.array([3, 0, 1], np.uint8)
    save = np.save if name == "y.npy" else np.savez
    save(tmp_path / name, labels)
    found = read_labels(tmp_path / name)
    assert found.dtype == np.int64 and found.tolist() == [3, 0, 1]


@pytest.mark.parametrize("labels", [np.zeros((2, 1), np.int64), np.zeros(2), np.array([1, -1]), np.array(["cat"])])
def test_what_is_no_label_is_refused(tmp_path: Path, labels: np.ndarray) -> None:
    np.save(tmp_path / "y.npy", labels)
    with pytest.raises(UserError, match=r"y\.npy: labels are class numbers from 0 on, one an image"):
        read_labels(tmp_path / "y.npy")


def test_files_that_are_something_else_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", a=np.zeros(1, int), b=np.zeros(1, int))
    with pytest.raises(UserError, match=r"two\.npz: has 2 arrays"):
        read_labels(tmp_path / "two.npz")
    (tmp_path / "y.npy").write_text("1 2 3")
    with pytest.raises(UserError, match=r"y\.npy: cannot be read as an \.npy array"):
        read_labels(tmp_path / "y.npy")


def test_accuracy_is_the_share_whose_first_highest_score_is_right(program: Program) -> None:
    outputs = {program.outputs[0].name: np.array([[1, 5, 5], [7, 0, 0], [0, 0, 1]], np.float32)}
    classifier = Classifier.of(program, np.array([1, 0, 1]), 3)
    assert classifier.classes(outputs).tolist() == [1, 0, 2]
    assert classifier.accuracy(outputs) == pytest.approx(2 / 3)
    assert Classifier.of(program, None, 3).accuracy(outputs) is None


def test_labels_that_do_not_fit_are_refused(program: Program) -> None:
    with pytest.raises(UserError, match=r"there is a class 100, but no output has so many classes \(scores 32\)"):
        Classifier.of(program, np.array([100]), 1)
    with pytest.raises(UserError, match="there are 2 labels for 1 images"):
        Classifier.of(program, np.array([0, 0]), 1)
