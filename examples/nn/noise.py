"""Noise of a conversion, in LSB: accuracy of a vision transformer and a ResNet on SRAM arrays.

    python -m examples.nn.noise [--network vit|resnet]

Without noise 8 bits lose nothing of 255 rows, nor 6 bits of 63; 7 bits of 255 do.
"""

from examples.nn.sweep import Sweep

SWEEP = Sweep(
    name="nn_noise",
    description="noise of the conversions of SRAM arrays, accuracy",
    x="noise_lsb",
    values=(0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0),
    lines=({"rows": 255, "adc_bits": 8}, {"rows": 63, "adc_bits": 6}, {"rows": 255, "adc_bits": 7}),
    quick=(0.0, 1.0),
)

if __name__ == "__main__":
    SWEEP.main()
