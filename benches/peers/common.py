"""What the peers' programs share: flags, the network's sizes, random digits, timing, the JSON.

A program makes an object with `version`, `train(images, labels)` and `classify(images)`, both of
which return when the work is done, and hands a function that makes it to `main`.
"""

import argparse
import json
import math
import resource
import statistics
import sys
import time

import numpy

SIDE = 28
CLASSES = 10
WARM_UP = 3


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--maps", default="32,64", help="maps a tower of each module (default: 32,64)")
    parser.add_argument("--reduce1x1", type=int, default=16)
    parser.add_argument("--num-fc1", type=int, default=700)
    parser.add_argument("--dropout", type=float, default=0.5)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--steps", type=int, default=10, help="steps to measure (default: 10)")
    parser.add_argument("--batch-sizes", default="100", help="inference batches (default: 100), or empty")
    parser.add_argument("--threads", type=int, default=0, help="processor threads (default: the framework's)")
    return parser


def convolutions(options):
    """Name, window, channels and columns of each convolution, module by module."""
    channels = 1
    for number, maps in enumerate(map(int, options.maps.split(",")), start=1):
        reduced = options.reduce1x1
        yield number, [
            ("one", 1, channels, maps),
            ("reduce3", 1, channels, reduced),
            ("three", 3, reduced, maps),
            ("reduce5", 1, channels, reduced),
            ("five", 5, reduced, maps),
            ("pool", 1, channels, maps),
        ]
        channels = 4 * maps


def variables(options):
    """Initial values by name: windows as [height, width, channels, columns], He's deviation."""
    random = numpy.random.default_rng(1)
    values = {}

    def add(name, shape):
        deviation = math.sqrt(2 / math.prod(shape[:-1]))
        values[name + "/w"] = random.standard_normal(shape, dtype=numpy.float32) * numpy.float32(deviation)
        values[name + "/b"] = numpy.zeros(shape[-1], numpy.float32)

    columns = 1
    for number, layers in convolutions(options):
        for name, window, channels, out in layers:
            add(f"module{number}/{name}", (window, window, channels, out))
        columns = 4 * layers[0][3]
    add("fc1", (SIDE * SIDE * columns, options.num_fc1))
    add("fc2", (options.num_fc1, CLASSES))
    return values


def modules(options):
    return [f"module{number}" for number, _ in convolutions(options)]


def digits(count, seed):
    """Random images [count, 28, 28, 1] from 0 to 1, and labels."""
    random = numpy.random.default_rng(seed)
    images = random.random((count, SIDE, SIDE, 1), dtype=numpy.float32)
    return images, random.integers(0, CLASSES, count)


def memory():
    """The most memory that the process held at once, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def timed(work, warm_up, count):
    times = []
    for number in range(warm_up + count):
        begin = time.perf_counter()
        work(number)
        times.append(time.perf_counter() - begin)
    times = times[warm_up:]
    return {"median": statistics.median(times), "min": min(times), "max": max(times)}


def main(options, make):
    values = variables(options)
    parameters = sum(value.size for value in values.values())
    network = make(options, values)
    del values
    batches = [digits(options.batch_size, seed) for seed in range(4)]
    training = timed(lambda number: network.train(*batches[number % 4]), WARM_UP, options.steps)
    training["batch_size"] = options.batch_size
    training["memory"] = getattr(network, "memory", memory)()
    inference = []
    for size in (int(size) for size in options.batch_sizes.split(",") if size):
        images, _ = digits(size, 5)
        part = timed(lambda _: network.classify(images), WARM_UP, options.steps)
        part["batch_size"] = size
        part["images_per_second"] = size / part["median"]
        inference.append(part)
    report = {
        "version": network.version,
        "parameters": parameters,
        "training": training,
        "inference": inference,
    }
    print(json.dumps(report))
