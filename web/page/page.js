import { draw, smoothed } from "./charts.js";

const SHIPPED = "model.safetensors";
const EVALUATE_EVERY = 50;
const EVALUATED = 500;
const STEPS_AT_ONCE = 5;
const NOT_LOADED = "could not be loaded"; // as the worker says it
const BROWSERS = "Browsers that have it: Chrome, Edge and Opera from version 113 (on Android from 121), " +
  "Safari from 26, and Firefox from 141 on Windows and 145 on macOS. On Linux, Chrome may want " +
  "chrome://flags/#enable-unsafe-webgpu, or a newer driver.";

const get = (id) => document.getElementById(id);
const say = (id, text) => { if (get(id).textContent !== text) get(id).textContent = text; };

// ---- The engine in its worker

let worker;
let waiting = new Map();
let on_progress = () => {};

function start_worker() {
  worker?.terminate();
  waiting.forEach(({ reject }) => reject(new Error("the engine was started anew")));
  waiting = new Map();
  worker = new Worker("worker.js", { type: "module" });
  worker.onmessage = ({ data }) => {
    if (data.progress) return on_progress(...data.progress);
    const { resolve, reject } = waiting.get(data.id) ?? {};
    waiting.delete(data.id);
    if (data.error === undefined) resolve?.(data.result);
    else reject?.(new Error(data.error));
  };
  worker.onerror = (event) => {
    const error = new Error(event.message || `the engine ${NOT_LOADED}`);
    waiting.forEach(({ reject }) => reject(error));
    waiting.clear();
  };
}

let calls = 0;

function call(name, args = {}) {
  return new Promise((resolve, reject) => {
    const id = calls++;
    waiting.set(id, { resolve, reject });
    worker.postMessage({ id, call: name, args });
  });
}

// ---- Trouble

function trouble(title, text, words = "") {
  say("trouble-title", title);
  say("trouble-text", text);
  say("trouble-words", words);
  get("trouble-details").hidden = !words;
  get("trouble").hidden = false;
  get("trouble").scrollIntoView({ block: "nearest" });
}

/// What needs an engine, and is of no use without one.
function enable(there) {
  for (const id of ["train", "measure", "selftest", "model"]) get(id).disabled = !there;
}

/// Whatever the engine says that is not about one picture or file.
function failed(error) {
  running = false;
  show_training();
  if (!losses.length) say("train-status", "Not begun.");
  const said = (words) => error.message.includes(words);
  const [title, text] =
    said("was lost") ? ["The GPU went away", "Its driver ended it: a reset, too long a computation, or " +
      "another program. What you drew is still here; training begins anew."]
    : said(NOT_LOADED) ? ["A file could not be loaded", "The network or the server may be away. " +
      "Trying again starts the engine anew."]
    : ["The GPU did not do it", "Trying again starts the engine anew."];
  trouble(title, text, error.message);
}

// ---- The paper

const paper = get("paper");
const ink = paper.getContext("2d", { willReadFrequently: true });
let shown = false;   // whether there is anything on the paper
let file = null;     // a picture from a file, which is classified as it is
let stale = false;
let classifying = false;

function clear() {
  ink.fillStyle = "#fff";
  ink.fillRect(0, 0, paper.width, paper.height);
  shown = false;
  file = null;
}

function place(event) {
  const box = paper.getBoundingClientRect();
  const scale = paper.width / box.width;
  return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
}

function stroke(from, to) {
  Object.assign(ink, { strokeStyle: "#000", lineWidth: 22, lineCap: "round", lineJoin: "round" });
  ink.beginPath();
  ink.moveTo(...from);
  ink.lineTo(...to);
  ink.stroke();
}

// The mouse, finger or pen that draws; what else touches the paper meanwhile, such as a palm, does not.
let pen = null;
paper.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || pen) return;
  if (file) clear();
  paper.setPointerCapture(event.pointerId);
  pen = { id: event.pointerId, at: place(event) };
  stroke(pen.at, pen.at);
  drawn();
});
paper.addEventListener("pointermove", (event) => {
  if (pen?.id !== event.pointerId) return;
  for (const each of event.getCoalescedEvents?.() ?? [event]) {
    const to = place(each);
    stroke(pen.at, to);
    pen.at = to;
  }
  drawn();
});
for (const end of ["pointerup", "pointercancel"]) {
  paper.addEventListener(end, (event) => { if (pen?.id === event.pointerId) pen = null; });
}

function drawn() {
  shown = true;
  file = null;
  classify();
}

async function show_picture(blob) {
  clear();
  file = blob;
  shown = true;
  try {
    const picture = await createImageBitmap(blob);
    const scale = Math.min(paper.width / picture.width, paper.height / picture.height);
    const [width, height] = [picture.width * scale, picture.height * scale];
    ink.drawImage(picture, (paper.width - width) / 2, (paper.height - height) / 2, width, height);
  } catch {
    // What is no picture, the engine says in better words.
  }
  classify();
}

get("clear").addEventListener("click", () => { clear(); classify(); });
get("picture").addEventListener("change", ({ target }) => {
  if (target.files[0]) show_picture(target.files[0]);
  target.value = "";
});
for (const button of document.querySelectorAll("[data-example]")) {
  button.addEventListener("click", async () => {
    try {
      show_picture(await (await fetch(`${button.dataset.example}.png`)).blob());
    } catch {
      say("answer", "The example could not be loaded.");
    }
  });
}
addEventListener("dragover", (event) => { event.preventDefault(); paper.classList.add("over"); });
addEventListener("dragleave", () => paper.classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  paper.classList.remove("over");
  const dropped = event.dataTransfer.files[0];
  if (!dropped) return;
  if (dropped.name.endsWith(".safetensors")) load_own(dropped);
  else show_picture(dropped);
});

// ---- The answer

const bars = Array.from({ length: 10 }, (_, digit) => {
  const line = document.createElement("li");
  line.innerHTML = `<span>${digit}</span><span class="bar"><i></i></span><span></span>`;
  get("bars").append(line);
  return line;
});

/// Classifies what is on the paper now; once more if it has changed meanwhile.
async function classify() {
  stale = true;
  if (classifying || !ready) return;
  classifying = true;
  while (stale) {
    stale = false;
    if (!shown) { blank("Draw a digit from 0 to 9."); continue; }
    const blob = file ?? await new Promise((done) => paper.toBlob(done));
    const name = file?.name ?? "The drawing";
    try {
      const bytes = new Uint8Array(await blob.arrayBuffer());
      const look = await call("classify", { name, bytes });
      if (look.unusable) blank(look.unusable);
      else {
        answer(look);
        await new Promise((done) => setTimeout(done)); // shown before the maps are drawn
        show_maps(look.towers);
        performance.mark("mapped");
      }
    } catch (error) {
      blank("No answer.");
      failed(error);
    }
  }
  classifying = false;
}

function blank(words) {
  say("answer", words);
  for (const line of bars) set_bar(line, 0, false, "");
  get("seen").getContext("2d").clearRect(0, 0, 28, 28);
  get("maps").replaceChildren();
}

function set_bar(line, part, best, text) {
  line.classList.toggle("best", best);
  line.querySelector("i").style.width = `${part * 100}%`;
  line.lastChild.textContent = text;
}

const percent = (part, digits = 1) => `${(part * 100).toFixed(digits)} %`;

function answer({ pixels, probabilities }) {
  const best = probabilities.indexOf(Math.max(...probabilities));
  const sure = probabilities[best];
  say("answer", `${sure > 0.9 ? "This is a" : sure > 0.5 ? "Probably a" : "Perhaps a"} ${best}`);
  probabilities.forEach((part, digit) => set_bar(bars[digit], part, digit === best, percent(part)));
  picture(get("seen"), 28, 28, GREY, (at) => pixels[at]);
  performance.mark("answered");
}

/// Draws a picture whose pixels, from 0 to 255, are numbers of colours; any other has none.
function picture(canvas, width, height, colours, pixel) {
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const whole = new Uint32Array(image.data.buffer);
  for (let at = 0; at < whole.length; at++) whole[at] = colours[pixel(at)];
  context.putImageData(image, 0, 0);
}

/// 256 colours, as the four bytes of a pixel, by a function of 0 to 1 that gives red, green and blue.
function palette(colour) {
  const colours = Array.from({ length: 256 }, (_, at) => [...colour(at / 255), 255]);
  return new Uint32Array(new Uint8ClampedArray(colours.flat()).buffer);
}

const GREY = palette((part) => [part * 255, part * 255, part * 255]);

/// From black through purple and orange to light yellow.
const HEAT = palette((part) => {
  const colours = [[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]];
  const place = part * (colours.length - 1);
  const low = Math.min(Math.floor(place), colours.length - 2);
  return colours[low].map((from, i) => from + (colours[low + 1][i] - from) * (place - low));
});

function show_maps(towers) {
  const boxes = [...get("maps").children];
  if (boxes.length !== towers.length) {
    get("maps").replaceChildren(...towers.map(() => {
      const box = document.createElement("div");
      box.innerHTML = `<h3></h3><canvas aria-hidden="true"></canvas>`;
      return box;
    }));
  }
  towers.forEach(({ name, size: [height, width], maps }, index) => {
    const box = get("maps").children[index];
    const count = maps.length / (height * width);
    box.firstChild.textContent = `${name}: ${count} maps`;
    const scale = 255 / maps.reduce((most, value) => Math.max(most, value), 1e-9);
    // Four in a row, a pixel apart, which has no colour.
    const [wide, high] = [width + 1, height + 1];
    const across = Math.min(count, 4) * wide - 1;
    const canvas = box.lastChild;
    canvas.style.width = `${across * 2}px`;
    picture(canvas, across, Math.ceil(count / 4) * high - 1, HEAT, (at) => {
      const [x, y] = [at % across, Math.floor(at / across)];
      const map = Math.floor(y / high) * 4 + Math.floor(x / wide);
      const [column, row] = [x % wide, y % high];
      if (map >= count || column === width || row === height) return -1;
      return Math.round(maps[(map * height + row) * width + column] * scale);
    });
  });
}

// ---- Weights

let ready = false;

/// Makes a file's weights those that classify. Nothing changes if they are of no use.
async function load(name, bytes, note) {
  const about = await call("load", { name, bytes });
  ready = true;
  say("weights-note", note(about));
  get("shipped").hidden = name === SHIPPED;
  if (!shown) await call("warm");
  classify();
}

const count = (number) => number.toLocaleString("en");

async function load_shipped() {
  const accuracy = document.body.dataset.accuracy;
  await load(SHIPPED, undefined, ({ parameters, step }) =>
    `Weights: the quick network, ${count(parameters)} parameters, trained by this program on all of ` +
    `MNIST for ${count(step)} steps${accuracy ? `; test accuracy ${accuracy} %` : ""}.`);
}

async function load_own(own) {
  try {
    const bytes = new Uint8Array(await own.arrayBuffer());
    await load(own.name, bytes, ({ parameters, step }) =>
      `Weights: ${own.name}, ${count(parameters)} parameters, after ${count(step)} steps.`);
  } catch (error) {
    say("weights-note", `Not loaded: ${error.message}`);
  }
}

get("model").addEventListener("change", ({ target }) => {
  if (target.files[0]) load_own(target.files[0]);
  target.value = "";
});
get("shipped").addEventListener("click", () => load_shipped().catch(failed));

// ---- Training

let running = false;
let losses = [];
let accuracies = [];
let steps = 1000;

function show_training() {
  const done = losses.length;
  get("train").textContent = running ? "Stop" : done === 0 ? "Train" : done < steps ? "Continue" : "Train anew";
  for (const id of ["use", "download"]) get(id).disabled = running || done === 0;
  get("progress").max = steps;
  get("progress").value = done;
  draw(get("loss"), [
    { name: "each", points: losses.map((loss, at) => [at + 1, loss]) },
    { name: "mean", points: smoothed(losses).map((loss, at) => [at + 1, loss]) },
  ], steps, [0.01, 0.1, 1, 10], true);
  draw(get("accuracy"), [{ name: "right", points: accuracies.map(([x, y]) => [x, y * 100]) }],
    steps, [0, 20, 40, 60, 80, 100]);
}

async function train() {
  running = true;
  if (losses.length >= steps) await begin_anew();
  show_training();
  say("train-status", "Loading the digits…");
  ({ steps } = await call("begin"));
  let paused = 0;
  const begin = performance.now();
  const from = losses.length;
  while (running && losses.length < steps) {
    const made = await call("train", { steps: Math.min(STEPS_AT_ONCE, steps - losses.length) });
    // Steps that were timed have no losses here.
    while (losses.length < made.step - made.losses.length) losses.push(losses.at(-1) ?? made.losses[0]);
    losses.push(...made.losses);
    const pace = (performance.now() - begin - paused) / (losses.length - from);
    say("train-status", `Step ${count(losses.length)} of ${count(steps)}, loss ` +
      `${smoothed(losses.slice(-60)).at(-1).toFixed(3)}, ${pace.toFixed(1)} ms a step` +
      (accuracies.length ? `, ${percent(accuracies.at(-1)[1])} of the test digits right.` : "."));
    if (losses.length % EVALUATE_EVERY === 0 || losses.length >= steps) {
      const before = performance.now();
      accuracies.push([losses.length, await call("accuracy", { count: EVALUATED })]);
      paused += performance.now() - before;
      get("accuracy").setAttribute("aria-label",
        `Test accuracy by step: ${percent(accuracies.at(-1)[1])} after ${losses.length}`);
    }
    show_training();
  }
  running = false;
  show_training();
  if (losses.length) await use_trained();
}

async function begin_anew() {
  [losses, accuracies] = [[], []];
  await start();
}

async function use_trained() {
  const bytes = await call("weights");
  await load("these weights", bytes, ({ step }) => `Weights: those trained here, after ${count(step)} steps.`);
}

get("train").addEventListener("click", () => {
  if (running) running = false;
  else train().catch(failed);
});
get("use").addEventListener("click", () => use_trained().catch(failed));
get("download").addEventListener("click", async () => {
  try {
    const blob = new Blob([await call("weights")], { type: "application/octet-stream" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = SHIPPED;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  } catch (error) {
    failed(error);
  }
});

// ---- Timings

get("measure").addEventListener("click", async () => {
  say("timings-status", "Measuring…");
  get("measure").disabled = true;
  try {
    const { part, step } = await call("timings", { samples: 5 });
    while (losses.length < step) losses.push(losses.at(-1) ?? NaN);
    show_timings(part);
    show_training();
  } catch (error) {
    say("timings-status", "");
    failed(error);
  }
  get("measure").disabled = false;
});

function show_timings({ passes, all, wall }) {
  const milliseconds = (seconds) => (seconds * 1e3).toFixed(seconds < 1e-3 ? 3 : 2);
  const whole = wall.plain?.whole;
  const told = `A step takes ${milliseconds(whole)} ms by this computer's clock, alone on the device`;
  if (all.median === null) {
    say("timings-status", `${told}. This browser gives no timestamps, so single passes have no times.`);
    get("timings").hidden = true;
    return;
  }
  say("timings-status", `${told}; its ${passes.length} passes ${milliseconds(all.median)} ms by the ` +
    "device's. Browsers round these stamps, often to 0.1 ms.");
  const sorted = [...passes].sort((a, b) => (b.median ?? 0) - (a.median ?? 0));
  get("timings").tBodies[0].replaceChildren(...sorted.map((pass) => {
    const row = document.createElement("tr");
    const speed = pass.gflop_per_second;
    for (const text of [pass.pass, pass.median === null ? "–" : milliseconds(pass.median),
      pass.median === null ? "–" : percent(pass.median / all.median),
      speed ? speed.toFixed(1) : "–"]) {
      row.insertCell().textContent = text;
    }
    return row;
  }));
  get("timings").hidden = false;
}

// ---- Self-test

async function selftest() {
  on_progress = (done, all) => say("selftest-status", `${done} of ${all} parts done…`);
  const checks = await call("selftest");
  const wrong = checks.filter(({ outcome }) => outcome.is !== "right");
  say("selftest-status", wrong.length
    ? `Failed: ${wrong.length} of ${checks.length} checks.`
    : `Passed: all ${checks.length} checks.`);
  get("selftest-wrong").replaceChildren(...wrong.map(({ op, result, kernels, shape, outcome }) => {
    const line = document.createElement("li");
    line.textContent = `${op} ${result} by ${kernels} at ${shape}: ${JSON.stringify(outcome)}`;
    return line;
  }));
  return checks;
}

get("selftest").addEventListener("click", () => {
  get("selftest").disabled = true;
  selftest().catch(failed).finally(() => { get("selftest").disabled = false; });
});

// ---- Begin

async function start() {
  ready = false;
  start_worker();
  const opened = call("open");
  const loaded = load_shipped();
  loaded.catch(() => {}); // heard below, unless opening fails, and then of that
  const { facts, timestamps } = await opened;
  say("device", `On ${facts.name} (${facts.kind}), ${timestamps ? "with" : "without"} timestamps; ` +
    `inception-wgpu through WebGPU in WebAssembly.`);
  await loaded;
}

async function begin() {
  get("trouble").hidden = true;
  enable(false);
  if (!navigator.gpu) {
    const why = isSecureContext ? "" : " It is there on secure pages only: https, or localhost.";
    blank("No WebGPU here.");
    trouble("This page needs WebGPU, which this browser does not have", BROWSERS + why);
    return;
  }
  try {
    await start();
    enable(true);
  } catch (error) {
    if (error.message.includes(NOT_LOADED)) {
      blank("Not loaded.");
      return failed(error);
    }
    blank("No GPU.");
    trouble("The browser gave no GPU",
      `It may be switched off in its settings, or its driver be on a list of faulty ones. ${BROWSERS}`,
      error.message);
  }
}

get("retry").addEventListener("click", () => {
  [losses, accuracies] = [[], []];
  show_training();
  for (const id of ["timings-status", "selftest-status"]) say(id, "");
  say("train-status", "Not begun.");
  get("draw-title").focus(); // the button goes
  begin();
});

clear();
show_training();
performance.mark("listening"); // marks are for tests and measurements
await begin();
if (new URLSearchParams(location.search).has("selftest") && navigator.gpu) {
  get("selftest").scrollIntoView();
  await selftest().catch(failed);
}
// For tests, and for the curious.
window.inception = { call, selftest, show_picture };
document.body.dataset.begun = "yes";
if ("serviceWorker" in navigator && isSecureContext) {
  // Offline is an extra, which loads all files once more: the first picture comes first.
  setTimeout(() => navigator.serviceWorker.register("sw.js").catch(() => {}), 2000);
}
