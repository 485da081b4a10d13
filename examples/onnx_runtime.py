#!/usr/bin/env python3
"""Runs an exported network in ONNX Runtime and compares it with the program itself.

    pip install numpy onnx onnxruntime
    inception export runs/quick --onnx quick.onnx
    inception predict --model runs/quick --json digits.csv > predictions.json
    python3 examples/onnx_runtime.py quick.onnx digits.csv predictions.json

digits.csv: a label and 784 grey values a row, or the 784 values alone; .gz is read too.
"""

import gzip
import json
import sys

import numpy


def read_digits(path):
    """Grey values, f32 [count, 1, 28, 28]."""
    with (gzip.open if path.endswith(".gz") else open)(path, "rt") as lines:
        rows = [line.split(",") for line in lines if line.strip()]
    if not rows[0][0].strip().isdigit():
        rows = rows[1:]  # a header
    pixels = numpy.array([row[-784:] for row in rows], dtype=numpy.float32)
    return pixels.reshape(-1, 1, 28, 28)


def read_predictions(path):
    """The program's probabilities, [count, 10]."""
    with open(path) as lines:
        return numpy.array([json.loads(line)["probabilities"] for line in lines])


def main():
    import onnx  # here, as pytorch.py does without both
    import onnxruntime

    model, digits, predictions = sys.argv[1:4]
    onnx.checker.check_model(onnx.load(model), full_check=True)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    images, ours = read_digits(digits), read_predictions(predictions)
    (logits,) = session.run(["logits"], {"images": images})
    compare(logits, ours)


def compare(logits, ours):
    """Logits of another program against our probabilities, which leave a common term of each row's
    logits open: so the logarithms of both are compared."""
    logits = logits.astype(numpy.float64)
    assert len(logits) == len(ours), f"{len(logits)} digits, but {len(ours)} predictions"
    most = logits.max(axis=1, keepdims=True)
    theirs = logits - most - numpy.log(numpy.exp(logits - most).sum(axis=1, keepdims=True))
    seen = ours > 1e-30  # f32 has hardly smaller ones
    off = numpy.abs(theirs[seen] - numpy.log(ours[seen])).max()
    same = (logits.argmax(axis=1) == ours.argmax(axis=1)).sum()
    print(f"{len(ours)} digits: {same} classified alike, logits at most {off:.2g} apart")
    assert off < 1e-4 * max(1.0, numpy.abs(logits).max()), "the logits differ"


if __name__ == "__main__":
    main()
