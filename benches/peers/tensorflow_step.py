#!/usr/bin/env python3
"""The tutorial's network in TensorFlow: seconds of a training step and of inference, as JSON."""

import os

import common

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import tensorflow as tf  # noqa: E402


class Network:
    def __init__(self, options, values):
        if options.threads:
            tf.config.threading.set_intra_op_parallelism_threads(options.threads)
            tf.config.threading.set_inter_op_parallelism_threads(options.threads)
        self.version = f"TensorFlow {tf.__version__}" + (", XLA" if options.xla else "")
        self.options = options
        self.values = {name: tf.Variable(value) for name, value in values.items()}
        self.means = {name: tf.Variable(tf.zeros_like(value)) for name, value in self.values.items()}
        self.squares = {name: tf.Variable(tf.zeros_like(value)) for name, value in self.values.items()}
        self.steps = 0
        self.step = tf.function(self.one_step, jit_compile=options.xla)
        self.probabilities = tf.function(
            lambda x: tf.nn.softmax(self.logits(x, False)), jit_compile=options.xla
        )

    def logits(self, x, train):
        values = self.values

        def conv(x, name):
            return tf.nn.conv2d(x, values[name + "/w"], 1, "SAME") + values[name + "/b"]

        for name in common.modules(self.options):
            three = conv(tf.nn.relu(conv(x, name + "/reduce3")), name + "/three")
            five = conv(tf.nn.relu(conv(x, name + "/reduce5")), name + "/five")
            pool = conv(tf.nn.max_pool2d(x, 3, 1, "SAME"), name + "/pool")
            x = tf.nn.relu(tf.concat([conv(x, name + "/one"), three, five, pool], axis=3))
        x = tf.reshape(x, [x.shape[0], -1])
        x = tf.nn.relu(x @ values["fc1/w"] + values["fc1/b"])
        if train and self.options.dropout > 0:
            x = tf.nn.dropout(x, self.options.dropout)
        return x @ values["fc2/w"] + values["fc2/b"]

    def one_step(self, images, labels, power1, power2):
        names = list(self.values)
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, self.logits(images, True))
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, [self.values[name] for name in names])
        for name, gradient in zip(names, gradients):
            # TensorFlow's own fused update.
            tf.raw_ops.ResourceApplyAdam(
                var=self.values[name].handle,
                m=self.means[name].handle,
                v=self.squares[name].handle,
                beta1_power=power1,
                beta2_power=power2,
                lr=self.options.learning_rate,
                beta1=0.9,
                beta2=0.999,
                epsilon=1e-8,
                grad=gradient,
            )
        return loss

    def train(self, images, labels):
        self.steps += 1
        powers = [tf.constant(beta**self.steps, tf.float32) for beta in (0.9, 0.999)]
        float(self.step(tf.constant(images), tf.constant(labels), *powers))

    def classify(self, images):
        self.probabilities(tf.constant(images)).numpy()


parser = common.arguments(__doc__)
parser.add_argument("--xla", action="store_true", help="through the XLA compiler")
common.main(parser.parse_args(), Network)
