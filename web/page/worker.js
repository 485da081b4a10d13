// Holds the engine, so that the page itself never waits. The page sends { id, call, args } and gets
// { id, result } or { id, error }; { progress } in between.
import init, { Classifier, Training, normalized, open } from "./inception_web.js";

// The engine asks for one of its own. Asked before its module is there, the browser gets ready meanwhile.
navigator.gpu?.requestAdapter().catch(() => {});

let device;
let classifier; // the promise of one
let training;
// One thing at a time on each of the two networks.
const queues = { drawing: Promise.resolve(), training: Promise.resolve() };
const queue_of = {
  load: "drawing",
  warm: "drawing",
  classify: "drawing",
  begin: "training",
  train: "training",
  accuracy: "training",
  weights: "training",
  timings: "training",
};

async function bytes_of(url) {
  const response = await fetch(url).catch(({ message }) => ({ status: message }));
  if (!response.ok) throw new Error(`${url} could not be loaded: ${response.status}`);
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
    const loaded = init().catch(({ message }) => {
      throw new Error(`the engine could not be loaded: ${message}`);
    });
    const opened = loaded.then(open);
    // Compiled while its weights are on their way.
    classifier = opened.then((opened) => new Classifier(opened));
    classifier.catch(() => {}); // told by what waits for it
    device = await opened;
    return { facts: JSON.parse(device.facts()), timestamps: device.has_timestamps() };
  },
  async load({ name, bytes }) {
    const [weights, made] = await Promise.all([bytes ?? bytes_of(name), classifier]);
    return JSON.parse(made.load(device, name, weights));
  },
  // Some drivers compile at a kernel's first use, which need not wait for the first picture.
  async warm() { (await (await classifier).classify(new Uint8Array(28 * 28))).free(); },
  async classify({ name, bytes }) {
    let pixels;
    try {
      pixels = normalized(name, bytes);
    } catch (error) {
      return { unusable: error.message };
    }
    const look = await (await classifier).classify(pixels);
    const tower = (at) => ({
      name: look.tower_name(at),
      size: [...look.tower_size(at)],
      maps: look.tower_maps(at),
    });
    const towers = Array.from({ length: look.towers() }, (_, at) => tower(at));
    const result = { pixels, probabilities: [...look.probabilities()], towers };
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

onmessage = async ({ data: { id, call, args } }) => {
  try {
    const queue = queue_of[call];
    const running = (queues[queue] ?? Promise.resolve()).then(() => calls[call](args));
    if (queue) queues[queue] = running.catch(() => {});
    postMessage({ id, result: await running });
  } catch (error) {
    postMessage({ id, error: error?.message ?? String(error) });
  }
};
