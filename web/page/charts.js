// Lines of numbers as SVG.

const SVG = "http://www.w3.org/2000/svg";
const [LEFT, RIGHT, TOP, BOTTOM] = [38, 392, 8, 158];

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/// Draws `lines`, each { name, points: [[x, y]] }, from x 0 to `last`, over the ticks of y. A chart
/// with `log` has a logarithmic y.
export function draw(svg, lines, last, ticks, log = false) {
  const scaled = (y) => (log ? Math.log(Math.max(y, 1e-4)) : y);
  const [low, high] = [scaled(ticks[0]), scaled(ticks[ticks.length - 1])];
  const x_of = (x) => LEFT + (x / last) * (RIGHT - LEFT);
  const y_of = (y) => {
    const part = (scaled(y) - low) / (high - low);
    return BOTTOM - Math.min(Math.max(part, 0), 1) * (BOTTOM - TOP);
  };
  const parts = [];
  for (const tick of ticks) {
    const y = y_of(tick);
    parts.push(element("line", { class: "grid", x1: LEFT, x2: RIGHT, y1: y, y2: y }));
    parts.push(element("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, tick));
  }
  for (const [x, anchor] of [[0, "start"], [last / 2, "middle"], [last, "end"]]) {
    parts.push(element("text", { x: x_of(x), y: 174, "text-anchor": anchor }, Math.round(x)));
  }
  for (const { name, points } of lines) {
    const path = points.map(([x, y], at) => `${at ? "L" : "M"}${x_of(x).toFixed(1)} ${y_of(y).toFixed(1)}`);
    parts.push(element("path", { class: name, d: path.join("") }));
  }
  svg.replaceChildren(...parts);
}

/// The mean of each number with those before it, that much nearer ones counting more.
export function smoothed(numbers, keep = 0.95) {
  let [sum, weight] = [0, 0];
  return numbers.map((number) => {
    [sum, weight] = [sum * keep + number, weight * keep + 1];
    return sum / weight;
  });
}
