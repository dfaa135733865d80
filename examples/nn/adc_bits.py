"""ADC bits: accuracy and energy of a vision transformer and a ResNet on SRAM arrays.

    python -m examples.nn.adc_bits [--network vit|resnet]

255 driven rows, or 63: a converter loses nothing from 8, or 6 bits on, where one bit of the inputs drives the rows at a
time. With 2 bits at a time a column reaches three times as far, and half the conversions do.
"""

from examples.nn.sweep import Sweep

SWEEP = Sweep(
    name="nn_adc_bits",
    description="ADC bits of SRAM arrays, accuracy and energy",
    x="adc_bits",
    values=(3, 4, 5, 6, 7, 8, 9, 10),
    lines=({"rows": 255, "dac_bits": 1}, {"rows": 63, "dac_bits": 1}, {"rows": 255, "dac_bits": 2}),
    quick=(6, 8),
)

if __name__ == "__main__":
    SWEEP.main()
