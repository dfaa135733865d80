"""What shift errors do to the digits network, and what realigning or correcting its wires is worth and costs.

    python examples/faults.py --trials 3

trains the network of examples/digits.py (or takes it from the cache), compiles it, and prints its accuracy on the 360
test images where a nanowire moves a step too far or too short with a given probability a step: left to itself, put back
every 20 instructions, and with a code that finds every single step. The last columns say what that adds to a run.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

import apc
from apc.trials import TrialsResult
from examples import digits
from examples.qat import export_frozen
from examples.trained import Dataset
from ir.program import Program
from simulator.rtm.faults.model import Faults, Mitigation, ShiftFaults

RATES = (1e-5, 1e-4, 3e-4, 1e-3)
STRATEGIES = {
    "nothing": Mitigation(),
    "realign every 20": Mitigation(realign_every=20, guard_domains=1),
    "correct 1": Mitigation(correct=1, guard_domains=1),
}


def compiled(settings: digits.Settings, cache: Path | None) -> tuple[Program, Dataset]:
    """The digits network, trained with ``settings``, and its images."""
    data = digits.load_data()
    model = export_frozen(digits.train(settings, cache=cache), torch.from_numpy(data.test_images[:2]))
    return apc.compile(model), data


def measure(program: Program, data: Dataset, rate: float, mitigation: Mitigation, trials: int) -> TrialsResult:
    """``rate``: over- and under-shifts together, a step and nanowire."""
    faults = Faults(ShiftFaults(over=rate / 2, under=rate / 2), mitigation=mitigation)
    images = {program.inputs[0].name: data.test_images}
    return apc.run_trials(program, images, faults, trials=trials, labels=data.test_labels)


def row(rate: float, strategy: str, found: TrialsResult) -> str:
    accuracy, overhead = found.accuracy, found.overhead
    assert accuracy is not None
    between = f"{accuracy.low:.1%} to {accuracy.high:.1%}"
    events = sum(found.events.get(kind, 0) for kind in ("over", "under", "source_over", "source_under"))
    cost = f"{overhead.latency_share:>+9.1%}{overhead.energy_share:>+9.1%}"
    return f"{rate:<9g}{strategy:<18}{events:>11.1f}{accuracy.mean:>11.1%}{between:>19}{cost}"


def table(program: Program, data: Dataset, rates: Sequence[float], trials: int) -> None:
    """Print a line for each rate and strategy."""
    columns = f"{'events/img':>11}{'accuracy':>11}{'95 % between':>19}{'latency':>9}{'energy':>9}"
    print(f"{'rate':<9}{'against it':<18}{columns}")
    for rate in rates:
        for name, mitigation in STRATEGIES.items():
            print(row(rate, name, measure(program, data, rate, mitigation, trials)), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="accuracy of the digits network against its shift errors")
    parser.add_argument("--trials", type=int, default=3, help="of each line (default: 3)")
    parser.add_argument("--rates", type=float, nargs="+", default=RATES, metavar="P", help="probabilities a step")
    parser.add_argument("--cache", type=Path, default=digits.CACHE, metavar="DIR", help="where checkpoints are kept")
    args = parser.parse_args()
    program, data = compiled(digits.DEFAULTS, args.cache)
    table(program, data, args.rates, args.trials)


if __name__ == "__main__":
    main()
