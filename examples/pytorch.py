#!/usr/bin/env python3
"""Loads a trained network into PyTorch and compares it with the program itself.

    pip install numpy torch safetensors
    inception predict --model runs/quick --json digits.csv > predictions.json
    python3 examples/pytorch.py runs/quick/model.safetensors digits.csv predictions.json

The weights lie as TensorFlow has them; PyTorch wants:
  convolutions  [height, width, in, out] -> [out, in, height, width]
  dense layers  [in, out]                -> [out, in]
  images        [batch, height, width, channels] -> [batch, channels, height, width]
and in front of the first dense layer the channels have to be innermost again, as in training.
"""

import json
import sys

import torch
from safetensors import safe_open
from torch import nn

from onnx_runtime import compare, read_digits, read_predictions


class Inception(nn.Module):
    """A module: towers of 1x1, 3x3, 5x5 and a max-pool, joined along the channels."""

    def __init__(self, weights, index):
        super().__init__()

        def conv(name):
            w = weights[f"W_conv{index}_{name}"].permute(3, 2, 0, 1).contiguous()
            b = weights[f"b_conv{index}_{name}"]
            made = nn.Conv2d(w.shape[1], w.shape[0], w.shape[2], padding=w.shape[2] // 2)
            made.weight, made.bias = nn.Parameter(w), nn.Parameter(b)
            return made

        relu, pool = nn.ReLU(), nn.MaxPool2d(3, stride=1, padding=1)
        if f"W_conv{index}_1x1_2" in weights:
            towers = [
                [conv("1x1_1")],
                [conv("1x1_2"), relu, conv("3x3")],
                [conv("1x1_3"), relu, conv("5x5")],
                [pool, conv("1x1_4")],
            ]
        else:  # the naive module
            towers = [[conv("1x1_1")], [conv("3x3")], [conv("5x5")], [pool]]
        self.towers = nn.ModuleList(nn.Sequential(*tower) for tower in towers)

    def forward(self, x):
        return torch.relu(torch.cat([tower(x) for tower in self.towers], dim=1))


class Network(nn.Module):
    def __init__(self, weights, divisor):
        super().__init__()
        self.divisor = divisor
        count = sum(name.startswith("W_conv") and name.endswith("_1x1_1") for name in weights)
        self.modules_ = nn.ModuleList(Inception(weights, 1 + i) for i in range(count))

        def dense(name):
            w = weights[f"W_{name}"].t().contiguous()
            made = nn.Linear(w.shape[1], w.shape[0])
            made.weight, made.bias = nn.Parameter(w), nn.Parameter(weights[f"b_{name}"])
            return made

        self.fc1, self.fc2 = dense("fc1"), dense("fc2")

    def forward(self, images):
        x = images / self.divisor
        for module in self.modules_:
            x = module(x)
        x = x.permute(0, 2, 3, 1).flatten(1)  # channels innermost
        return self.fc2(torch.relu(self.fc1(x)))


def main():
    model, digits, predictions = sys.argv[1:4]
    with safe_open(model, "pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}
        config = json.loads(file.metadata()["config"])
    network = Network(weights, 255.0 if config["scale"] == "unit" else 1.0).eval()
    with torch.no_grad():
        logits = network(torch.from_numpy(read_digits(digits)))
    compare(logits.numpy(), read_predictions(predictions))


if __name__ == "__main__":
    main()
