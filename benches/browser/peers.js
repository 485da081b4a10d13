// Times ours and TensorFlow.js in turn, on the same device, and posts the milliseconds.
import { Network, weights_of } from "./tfjs.js";

const { tf } = globalThis;
/// What a round should last, and the most that it repeats, so that reading a result weighs little.
const ROUND = 500;
const MOST = 20;

async function ours() {
  const worker = new Worker("page/worker.js", { type: "module" });
  const waiting = new Map();
  let calls = 0;
  worker.onmessage = ({ data: { id, result, error } }) => {
    const { resolve, reject } = waiting.get(id);
    if (error === undefined) resolve(result);
    else reject(new Error(error));
  };
  const call = (name, args = {}) => new Promise((resolve, reject) => {
    waiting.set(++calls, { resolve, reject });
    worker.postMessage({ id: calls, call: name, args });
  });
  const { facts } = await call("open");
  await call("load", { name: "model.safetensors" });
  return {
    name: "inception-wgpu", facts, apart: null,
    train: (steps) => call("train", { steps }),
    classify: (name, bytes) => call("classify", { name, bytes }),
  };
}

async function theirs(backend, weights, pictures) {
  const one = { name: `TensorFlow.js, ${backend}`, backend, apart: null };
  try {
    if (backend === "wasm") tf.wasm.setWasmPaths("tfjs/");
    if (!await tf.setBackend(backend)) throw new Error(`tf.setBackend("${backend}") fails`);
    await tf.ready();
    one.network = new Network(weights);
    const apart = [];
    for (const { pixels, probabilities } of pictures) {
      const got = await one.network.classify(pixels);
      apart.push(...probabilities.map((p, digit) => Math.abs(p - got[digit])));
    }
    one.apart = Math.max(...apart);
  } catch (error) {
    one.failed = error.message;
  }
  return one;
}

/// Milliseconds of each of `count` repetitions done together.
async function timed(count, work) {
  const begin = performance.now();
  await work(count);
  return (performance.now() - begin) / count;
}

async function measured() {
  const options = new URLSearchParams(location.search);
  const rounds = +options.get("rounds");
  const backends = [...options.keys()].filter((key) => key !== "rounds");
  const us = await ours();
  const files = await Promise.all(["zero", "two", "four", "seven"].map(async (name) =>
    new Uint8Array(await (await fetch(`page/${name}.png`)).arrayBuffer())));
  const pictures = [];
  for (const file of files) pictures.push(await us.classify("a picture", file));
  const weights = weights_of(await (await fetch("page/model.safetensors")).arrayBuffer());
  const programs = [us];
  for (const backend of backends) programs.push(await theirs(backend, weights, pictures));

  const train = (one) => (count) => (one.network ?? one).train(count);
  const classify = (one) => async (count) => {
    for (let at = 0; at < count; at++) {
      if (one.network) await one.network.classify(pictures[at % 4].pixels);
      else await one.classify("a picture", files[at % 4]);
    }
  };
  for (const [what, work] of [["training", train], ["inference", classify]]) {
    for (const one of programs) {
      one[what] = one.failed ?? [];
      if (one.failed) continue;
      try {
        if (one.backend) await tf.setBackend(one.backend);
        await work(one)(1); // compiles
        one.count = Math.min(Math.max(Math.round(ROUND / await timed(1, work(one))), 1), MOST);
      } catch (error) {
        one[what] = error.message;
      }
    }
    for (let round = 0; round < rounds; round++) {
      for (const one of programs.filter((one) => Array.isArray(one[what]))) {
        if (one.backend) await tf.setBackend(one.backend);
        one[what].push(await timed(one.count, work(one)));
      }
    }
  }
  const kept = ({ name, apart, training, inference }) => ({ name, apart, training, inference });
  return { adapter: us.facts.name, programs: programs.map(kept) };
}

const report = await measured().catch((error) => ({ error: String(error.stack ?? error) }));
await fetch("/report", { method: "POST", body: JSON.stringify(report) });
