"""Hybrid arrays: the most significant cycles digital, accuracy and energy of a vision transformer and a ResNet.

    python -m examples.nn.hybrid [--network vit|resnet]

At level k the k (k + 1) / 2 most significant of 64 cycles (k up to 8) are computed without a converter, exactly.
"""

from examples.nn.sweep import Sweep

SWEEP = Sweep(
    name="nn_hybrid",
    description="digital cycles of hybrid SRAM arrays, accuracy and energy",
    x="hybrid_level",
    values=(0, 1, 2, 3, 4, 5, 6, 8),
    lines=(
        {"adc_bits": 6, "noise_lsb": 0.0},
        {"adc_bits": 8, "noise_lsb": 0.5},
        {"adc_bits": 8, "noise_lsb": 1.0},
    ),
    quick=(0, 15),
)

if __name__ == "__main__":
    SWEEP.main()
