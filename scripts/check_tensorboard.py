#!/usr/bin/env python3
"""Reads the event files of a run with TensorBoard's own reader and holds them against the run's folder.

    pip install tensorboard
    inception train --preset quick --steps 300 --out runs/short --tensorboard runs/short/events
    scripts/check_tensorboard.py runs/short/events runs/short
"""

import csv
import io
import json
import math
import sys
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.version import VERSION

EVERYTHING = {kind: 0 for kind in ("scalars", "histograms", "images", "tensors")}


def close(a, b):
    return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-12)


def check_scalars(events, rows):
    """Each value of metrics.csv at its step, and no other."""
    columns = {"loss": "loss", "accuracy/validation": "val_accuracy", "accuracy/test": "test_accuracy"}
    for tag, column in columns.items():
        written = {int(row["step"]): float(row[column]) for row in rows if row[column]}
        read = {event.step: event.value for event in events.Scalars(tag)}
        assert read.keys() == written.keys(), f"{tag}: steps {sorted(read.keys() ^ written.keys())}"
        wrong = [step for step in read if not close(read[step], written[step])]
        assert not wrong, f"{tag} differs at steps {wrong}"
        print(f"scalar    {tag}: {len(read)} values, as in metrics.csv")
    for tag in ("learning rate", "images per second"):
        values = [event.value for event in events.Scalars(tag)]
        assert values and all(math.isfinite(value) and value >= 0 for value in values), tag
        print(f"scalar    {tag}: {len(values)} values, {values[0]:.4g} to {values[-1]:.4g}")


def check_histograms(events, shapes):
    """One of each weight at each evaluation; its bins hold all numbers of the weight."""
    evaluations = [event.step for event in events.Scalars("accuracy/validation")]
    tags = events.Tags()["histograms"]
    assert set(tags) == {f"weights/{name}" for name in shapes}, f"histograms of {tags}"
    for tag in tags:
        shape = shapes[tag.removeprefix("weights/")]
        histograms = events.Histograms(tag)
        assert [event.step for event in histograms] == evaluations, tag
        for value in (event.histogram_value for event in histograms):
            limits = list(value.bucket_limit)
            assert limits == sorted(set(limits)), f"{tag}: limits do not rise"
            assert close(sum(value.bucket), value.num), f"{tag}: bins and count differ"
            assert value.num == math.prod(shape) or value.num >= 1 << 19, f"{tag}: {value.num} of {shape}"
            assert value.min <= value.sum / value.num <= value.max, f"{tag}: the mean is out of bounds"
    print(f"histogram {len(tags)} weights at {len(evaluations)} steps, the bins add up")


def check_images(events):
    from PIL import Image

    for tag in events.Tags()["images"]:
        for event in events.Images(tag):
            picture = Image.open(io.BytesIO(event.encoded_image_string))
            picture.load()
            assert picture.size == (event.width, event.height), f"{tag} at step {event.step}"
        print(f"image     {tag}: {len(events.Images(tag))}, the last {event.width}x{event.height}")


def header(path):
    """The JSON header of a safetensors file."""
    with open(path, "rb") as file:
        return json.loads(file.read(int.from_bytes(file.read(8), "little")))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder, run = map(Path, sys.argv[1:])
    events = EventAccumulator(str(folder), size_guidance=EVERYTHING)
    events.Reload()
    with open(run / "metrics.csv", newline="") as file:
        check_scalars(events, list(csv.DictReader(file)))
    tensors = header(run / "model.safetensors")
    check_histograms(events, {k: v["shape"] for k, v in tensors.items() if k != "__metadata__"})
    check_images(events)
    print(f"all read by TensorBoard {VERSION}")


if __name__ == "__main__":
    main()
