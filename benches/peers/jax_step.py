#!/usr/bin/env python3
"""The tutorial's network in JAX: seconds of a training step and of inference, as JSON."""

from functools import partial

import common
import jax
import jax.numpy as np
from jax import lax


def logits(names, dropout, values, x, key):
    """Without a key nothing is dropped."""

    def conv(x, name):
        layout = ("NHWC", "HWIO", "NHWC")
        w = values[name + "/w"]
        return lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=layout) + values[name + "/b"]

    for name in names:
        three = conv(jax.nn.relu(conv(x, name + "/reduce3")), name + "/three")
        five = conv(jax.nn.relu(conv(x, name + "/reduce5")), name + "/five")
        pooled = lax.reduce_window(x, -np.inf, lax.max, (1, 3, 3, 1), (1, 1, 1, 1), "SAME")
        parts = [conv(x, name + "/one"), three, five, conv(pooled, name + "/pool")]
        x = jax.nn.relu(np.concatenate(parts, axis=3))
    x = jax.nn.relu(x.reshape(x.shape[0], -1) @ values["fc1/w"] + values["fc1/b"])
    if key is not None and dropout > 0:
        kept = jax.random.bernoulli(key, 1 - dropout, x.shape)
        x = np.where(kept, x / (1 - dropout), 0)
    return x @ values["fc2/w"] + values["fc2/b"]


class Network:
    def __init__(self, options, values):
        self.version = f"JAX {jax.__version__} on {jax.default_backend()}"
        network = partial(logits, common.modules(options), options.dropout)
        rate, beta1, beta2, epsilon = options.learning_rate, 0.9, 0.999, 1e-8

        def loss(values, images, labels, key):
            chances = jax.nn.log_softmax(network(values, images, key))
            return -np.take_along_axis(chances, labels[:, None], axis=1).mean()

        def step(state, images, labels):
            values, means, squares, count, key = state
            key, draw = jax.random.split(key)
            result, gradients = jax.value_and_grad(loss)(values, images, labels, draw)
            count = count + 1
            scale = rate * np.sqrt(1 - beta2**count) / (1 - beta1**count)
            means = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, means, gradients)
            squares = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, squares, gradients)
            update = lambda w, m, v: w - scale * m / (np.sqrt(v) + epsilon)
            values = jax.tree.map(update, values, means, squares)
            return (values, means, squares, count, key), result

        values = jax.tree.map(np.asarray, values)
        zeros = lambda: jax.tree.map(np.zeros_like, values)
        self.state = (values, zeros(), zeros(), np.float32(0), jax.random.key(1))
        self.step = jax.jit(step, donate_argnums=0)
        self.probabilities = jax.jit(lambda values, images: jax.nn.softmax(network(values, images, None)))

    def train(self, images, labels):
        self.state, result = self.step(self.state, images, labels)
        jax.block_until_ready((self.state[0], result))

    def classify(self, images):
        self.probabilities(self.state[0], images).block_until_ready()


parser = common.arguments(__doc__)
common.main(parser.parse_args(), Network)
