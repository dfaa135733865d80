"""Majority voting: several conversions of the most significant cycles, accuracy and energy.

    python -m examples.nn.voting [--network vit|resnet]

``voting_level`` k: the k (k + 1) / 2 most significant of 64 cycles (k up to 8) are converted ``voting`` times, 15: all.
The code is the most frequent one (mode), or the middle one (median).
"""

from examples.nn.sweep import Sweep

SWEEP = Sweep(
    name="nn_voting",
    description="majority voting of the conversions of SRAM arrays, accuracy and energy",
    x="voting",
    values=(1, 3, 5, 7),
    lines=(
        {"voting_level": 3, "voting_rule": "mode"},
        {"voting_level": 3, "voting_rule": "median"},
        {"voting_level": 15, "voting_rule": "mode"},
        {"voting_level": 15, "voting_rule": "median"},
    ),
    quick=(1, 3),
    common={"adc_bits": 8, "noise_lsb": 0.4},
)

if __name__ == "__main__":
    SWEEP.main()
