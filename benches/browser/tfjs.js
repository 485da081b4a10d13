// The page's quick network in TensorFlow.js.
const { tf } = globalThis;

const BATCH = 32;
const DROPOUT = 0.3;
const RATE = 0.003;

/// Tensors of a safetensors file by name: { shape, values }.
export function weights_of(bytes) {
  const length = Number(new DataView(bytes).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 8, length)));
  delete header.__metadata__;
  return Object.entries(header).map(([name, { shape, data_offsets: [from, to] }]) =>
    ({ name, shape, values: new Float32Array(bytes.slice(8 + length + from, 8 + length + to)) }));
}

export class Network {
  constructor(weights) {
    const variable = ({ name, shape, values }) => [name, tf.variable(tf.tensor(values, shape))];
    this.values = Object.fromEntries(weights.map(variable));
    this.optimizer = tf.train.adam(RATE);
    const digits = Array.from({ length: BATCH }, (_, at) => at % 10);
    this.labels = tf.oneHot(tf.tensor1d(digits, "int32"), 10).toFloat();
    this.images = tf.randomUniform([BATCH, 28, 28, 1], 0, 1, "float32", 1);
  }

  conv(x, layer, activation = "linear") {
    const [filter, bias] = [this.values[`W_conv${layer}`], this.values[`b_conv${layer}`]];
    return tf.fused.conv2d({ x, filter, strides: 1, pad: "same", bias, activation });
  }

  logits(x, training) {
    for (const module of [1, 2]) {
      const one = this.conv(x, `${module}_1x1_1`);
      const three = this.conv(this.conv(x, `${module}_1x1_2`, "relu"), `${module}_3x3`);
      const five = this.conv(this.conv(x, `${module}_1x1_3`, "relu"), `${module}_5x5`);
      const pool = this.conv(tf.maxPool(x, 3, 1, "same"), `${module}_1x1_4`);
      x = tf.relu(tf.concat([one, three, five, pool], 3));
    }
    const flat = x.reshape([x.shape[0], -1]);
    const dense = (a, b, bias, activation) =>
      tf.fused.matMul({ a, b: this.values[b], bias: this.values[bias], activation });
    let hidden = dense(flat, "W_fc1", "b_fc1", "relu");
    if (training) hidden = tf.dropout(hidden, DROPOUT);
    return dense(hidden, "W_fc2", "b_fc2", "linear");
  }

  /// So many steps; returns when they are done, and the last loss is here.
  async train(steps) {
    let loss;
    for (let step = 0; step < steps; step++) {
      loss?.dispose();
      loss = this.optimizer.minimize(
        () => tf.losses.softmaxCrossEntropy(this.labels, this.logits(this.images, true)), true);
    }
    const [value] = await loss.data();
    loss.dispose();
    return value;
  }

  /// The ten probabilities of a picture of 28x28 bytes.
  async classify(pixels) {
    const result = tf.tidy(() => {
      const x = tf.tensor(Float32Array.from(pixels, (pixel) => pixel / 255), [1, 28, 28, 1]);
      return tf.softmax(this.logits(x, false));
    });
    const probabilities = await result.data();
    result.dispose();
    return probabilities;
  }
}
