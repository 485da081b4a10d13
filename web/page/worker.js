// Holds the engine, so that the page itself never waits. The page sends { id, call, args } and gets
// { id, result } or { id, error }; { progress } in between.
import init, { Classifier, Training, open } from "./inception_web.js";

let device;
let classifier;
let training;
// One thing at a time on each of the two networks.
let training_queue = Promise.resolve();

async function bytes_of(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} could not be loaded (${response.status})`);
  return new Uint8Array(await response.arrayBuffer());
}

async function begun() {
  if (!training) {
    const [train, test] = await Promise.all(
      ["mnist_train.csv.gz", "mnist_test.csv.gz"].map(bytes_of));
    training = new Training(device, train, test);
  }
  return training;
}

const calls = {
  async open() {
    await init();
    device = await open();
    return { facts: JSON.parse(device.facts()), timestamps: device.has_timestamps() };
  },
  async load({ name, bytes }) {
    const loaded = new Classifier(device, name, bytes ?? await bytes_of(name));
    classifier?.free();
    classifier = loaded;
    return JSON.parse(classifier.about());
  },
  async classify({ name, bytes }) {
    const look = await classifier.classify(name, bytes);
    const tower = (at) => ({
      name: look.tower_name(at),
      size: [...look.tower_size(at)],
      maps: look.tower_maps(at),
    });
    const towers = Array.from({ length: look.towers() }, (_, at) => tower(at));
    const result = { pixels: look.pixels(), probabilities: [...look.probabilities()], towers };
    look.free();
    return result;
  },
  async begin() {
    const { steps, batch } = await begun().then((t) => ({ steps: t.steps(), batch: t.batch_size() }));
    return { steps, batch };
  },
  async train({ steps }) {
    const losses = await (await begun()).train(steps);
    return { losses: [...losses], step: training.step() };
  },
  async accuracy({ count }) { return (await begun()).accuracy(count); },
  async weights() { return (await begun()).weights(); },
  async timings({ samples }) {
    const part = JSON.parse(await (await begun()).timings(device, samples));
    return { part, step: training.step() };
  },
  async selftest() {
    return JSON.parse(await device.selftest((done, all) => postMessage({ progress: [done, all] })));
  },
  async lose() { device.lose(); },
};

const of_training = ["begin", "train", "accuracy", "weights", "timings"];

onmessage = async ({ data: { id, call, args } }) => {
  try {
    let running;
    if (of_training.includes(call)) {
      running = training_queue.then(() => calls[call](args));
      training_queue = running.catch(() => {});
    } else {
      running = calls[call](args);
    }
    postMessage({ id, result: await running });
  } catch (error) {
    postMessage({ id, error: error?.message ?? String(error) });
  }
};
