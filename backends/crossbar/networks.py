"""Layer tables of the networks that published figures are about."""

from __future__ import annotations

from dataclasses import replace

from backends.workload import LayerWork, conv_work


def resnet18(weight_bits: int = 8, activation_bits: int = 8, image: int = 224) -> list[LayerWork]:
    """ResNet-18 for ImageNet: convolutions, downsamplings and the classifier; no residual additions. ``image``: pixels
    a side, a multiple of 32."""

    def conv(name: str, size: int, cin: int, cout: int, kernel: int, stride: int) -> LayerWork:
        pad = kernel // 2
        return conv_work(
            name,
            (size, size),
            cin,
            cout,
            (kernel, kernel),
            (stride, stride),
            (pad, pad, pad, pad),
            weight_bits=weight_bits,
            activation_bits=activation_bits,
            output_bits=activation_bits,
        )

    works = [conv("conv1", image, 3, 64, 7, 2)]
    size, cin = image // 4, 64
    for stage, cout in enumerate((64, 128, 256, 512), start=1):
        stride = 1 if stage == 1 else 2
        for block in (0, 1):
            first = f"layer{stage}.{block}"
            step, inputs, at = (stride, cin, size) if block == 0 else (1, cout, size // stride)
            works.append(conv(f"{first}.conv1", at, inputs, cout, 3, step))
            works.append(conv(f"{first}.conv2", size // stride, cout, cout, 3, 1))
            if block == 0 and stage > 1:
                works.append(conv(f"{first}.downsample", size, cin, cout, 1, stride))
        size, cin = size // stride, cout
    return [*works, conv("fc", 1, 512, 1000, 1, 1)]


def vgg8(weight_bits: int = 8, activation_bits: int = 8) -> list[LayerWork]:
    """VGG-8 for CIFAR-10 (32 x 32), the network that NeuroSim comes with; poolings left out."""
    shapes = [(32, 3, 128), (32, 128, 128), (16, 128, 256), (16, 256, 256), (8, 256, 512), (8, 512, 512)]
    works = [
        conv_work(f"conv{place}", (size, size), cin, cout, (3, 3), (1, 1), (1, 1, 1, 1))
        for place, (size, cin, cout) in enumerate(shapes, start=1)
    ]
    works += [conv_work(name, (1, 1), cin, cout) for name, cin, cout in (("fc1", 8192, 1024), ("fc2", 1024, 10))]
    return [
        replace(work, weight_bits=weight_bits, activation_bits=activation_bits, output_bits=activation_bits)
        for work in works
    ]
