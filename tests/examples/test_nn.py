"""The networks of examples/nn and their studies with ``--quick``."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from examples.nn import adc_bits, convert_pretrained, finetune, hybrid, noise, sweep, train, voting
from examples.nn.networks import ResNet, VisionTransformer
from examples.nn.sweep import Sweep
from examples.studies.study import Table

IMAGES = 20
Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def run(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Rows]:
    """Runs a study's ``main`` with ``--quick`` and gives the rows of its CSV file."""

    def run(main: Callable[[], None], *options: str) -> Rows:
        command = ["study", "--quick", "--output", str(tmp_path), "--cache", str(cache), "--workers", "1", *options]
        monkeypatch.setattr("sys.argv", [*command, "--images", str(IMAGES)])
        main()
        assert list(tmp_path.glob("*.svg"))
        (path,) = tmp_path.glob("*.csv")
        with path.open(encoding="utf-8") as file:
            return list(csv.DictReader(file))

    return run


@pytest.mark.parametrize(("build", "patch"), [(VisionTransformer, 7), (ResNet, None)])
def test_networks_give_scores_of_ten_classes(build: Callable[[], torch.nn.Module], patch: int | None) -> None:
    torch.manual_seed(0)
    net = build().eval()
    images = torch.rand(3, 1, 28, 28)
    with torch.no_grad():
        scores = net(images)
        torch.testing.assert_close(scores[1:2], net(images[1:2]), atol=1e-5, rtol=1e-5)
    assert scores.shape == (3, 10)


def test_a_second_call_takes_the_checkpoint(cache: Path) -> None:
    first = train.network("resnet", cache, quick=True).state_dict()
    assert len(list(cache.glob("nn_resnet-*.pt"))) == 1
    second = train.network("resnet", cache, quick=True).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_sweep_has_a_row_for_each_point(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = sweep.Study(Path(), cache, False, 10, 0, 1, ("vit", "resnet"))
    right = {None: 9, 3: 4, 8: 9}
    monkeypatch.setattr(sweep.train, "network", lambda *args, **kwargs: None)
    monkeypatch.setattr(
        sweep, "measure", lambda network, fields, *rest: (right[fields and fields["adc_bits"]], 2e-6 if fields else 0.0)
    )
    small = Sweep("s", "", "adc_bits", (3, 8), ({"rows": 255}, {"rows": 63}), (8,))
    table = small.measured(asked)
    assert table.columns == ("network", "rows", "adc_bits", "accuracy", "low", "high", "exact", "energy_uJ")
    assert [row[:4] for row in table.rows[:3]] == [("vit", 255, 3, 0.4), ("vit", 255, 8, 0.9), ("vit", 63, 3, 0.4)]
    assert len(table.rows) == 2 * 2 * 2 and set(table.column("exact")) == {0.9} and table.rows[0][-1] == 2.0
    assert [label for label, _ in small.drawn_lines(table, "resnet")] == ["rows 255", "rows 63"]


def test_what_costs_at_most_a_point_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    small = Sweep("s", "", "adc_bits", (3, 4, 5), ({"rows": 255}, {"rows": 63}), (5,))
    table = Table(
        small.columns,
        [("vit", 255, bits, mean, 0, 1, 0.9, 1.0) for bits, mean in ((3, 0.5), (4, 0.89), (5, 0.92))]
        + [("vit", 63, 3, 0.7, 0, 1, 0.9, 1.0)],
    )
    small.tell(table, sweep.Study(Path(), Path(), False, 10, 0, 1, ("vit",)))
    assert capsys.readouterr().out.splitlines() == [
        "vit, rows 255: adc_bits within a point of 90.0%: 4, 5",
        "vit, rows 63: adc_bits within a point of 90.0%: none (best 70.0%)",
    ]


def check(study: Any, rows: Rows, energies: int) -> None:
    for row in rows:
        assert float(row["low"]) <= float(row["accuracy"]) <= float(row["high"]) and float(row["energy_uJ"]) > 0
    assert len({(row["network"], row["energy_uJ"]) for row in rows}) == energies
    assert [row[study.SWEEP.x] for row in rows[:2]] == [f"{value:g}" for value in study.SWEEP.quick]


def test_adc_bits(run: Callable[..., Rows]) -> None:
    rows = run(adc_bits.SWEEP.main)
    assert [row["network"] for row in rows] == ["vit"] * 2 + ["resnet"] * 2
    check(adc_bits, rows, energies=4)
    assert all(row["accuracy"] == row["exact"] for row in rows[1::2]), "8 bits lose nothing of 255 rows"


@pytest.mark.parametrize(("study", "exact", "energies"), [(noise, 0, 1), (hybrid, 1, 2), (voting, None, 2)])
def test_studies_of_one_network(study: Any, exact: int | None, energies: int, run: Callable[..., Rows]) -> None:
    """Where nothing is lost, accuracy is that of exact integers."""
    rows = run(study.SWEEP.main, "--network", "resnet")
    assert [row["network"] for row in rows] == ["resnet"] * 2
    check(study, rows, energies)
    assert exact is None or rows[exact]["accuracy"] == rows[exact]["exact"]


def test_finetuning(run: Callable[..., Rows]) -> None:
    rows = run(finetune.main, "--network", "resnet")
    assert [(row["network"], row["noise_lsb"]) for row in rows] == [("resnet", f"{finetune.NOISE_LSB[-1]:g}")]
    assert float(rows[0]["low"]) <= float(rows[0]["after"]) <= float(rows[0]["high"])


def test_a_state_dict_goes_onto_presets(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(train.network("resnet", cache, quick=True).state_dict(), tmp_path / "plain.pt")
    net = convert_pretrained.pretrained("resnet", tmp_path / "plain.pt", cache)
    table, _ = convert_pretrained.onto(net, ["acim-22nm", "rtm-ap-published"], IMAGES)
    assert table.column("hardware") == ["float32", "acim-22nm", "rtm-ap-published"]
    assert all(energy > 0 for energy in table.column("energy_uJ")[1:])
    assert table.column("accuracy")[2] == train.right_answers(net, IMAGES) / IMAGES
