// Small pictures without a library: bars over time and meters, as SVG.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 600, HEIGHT = 120, FLOOR = 104; // of the drawing; it scales with the page

export function element(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function titled(shape, text) {
  const title = element("title");
  title.append(text);
  shape.append(title);
  return shape;
}

/** A round number at or above a positive `value`: 1, 2 or 5 times a power of ten. */
export function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}

/**
 * Bars, oldest at the left. A bar is {parts: [[class, value], ...], title, label, mark}: its parts
 * stand on one another, and a mark is a sign under it. `line` is drawn across at a value.
 */
export function bars(data, { slots, format, label, line = null }) {
  const tops = data.map((bar) => bar.parts.reduce((sum, [, value]) => sum + value, 0));
  const most = ceiling(Math.max(1, line ?? 0, ...tops));
  const height = (value) => (value / most) * (FLOOR - 14);
  const step = WIDTH / slots, gap = Math.min(2, step / 4);
  const chart = element("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label });
  chart.append(element("line", { class: "axis", x1: 0, x2: WIDTH, y1: FLOOR, y2: FLOOR }));
  for (const part of [0.5, 1]) {
    const y = FLOOR - height(most * part);
    chart.append(element("line", { class: "grid", x1: 0, x2: WIDTH, y1: y, y2: y }),
      element("text", { class: "scale", x: 2, y: y - 3 }, format(most * part)));
  }
  data.forEach((bar, index) => {
    const x = (slots - data.length + index) * step;
    const column = titled(element("g", { class: "bar" }), bar.title);
    column.append(element("rect", { class: "hit", x, y: 0, width: step, height: HEIGHT }));
    let y = FLOOR;
    for (const [kind, value] of bar.parts) {
      const tall = height(value);
      y -= tall;
      column.append(element("rect", { class: kind, x: x + gap / 2, y, width: step - gap, height: tall }));
    }
    if (bar.mark) column.append(element("path", { class: bar.mark, d: `M${x + step / 2} ${FLOOR + 3} l5 9 h-10 z` }));
    if (bar.label) column.append(element("text", { class: "scale", x: x + 1, y: HEIGHT - 4 }, bar.label));
    chart.append(column);
  });
  if (line !== null) {
    const y = FLOOR - height(line);
    chart.append(element("line", { class: "limit", x1: 0, x2: WIDTH, y1: y, y2: y }));
  }
  return chart;
}

/** How much of something is used: a share from 0 to 1, `kind` colours it. */
export function meter(share, kind, label) {
  const filled = Math.max(0, Math.min(1, share)) * 100;
  const chart = element("svg", { class: "meter", viewBox: "0 0 100 4", preserveAspectRatio: "none", role: "img", "aria-label": label });
  chart.append(element("rect", { class: "track", width: 100, height: 4 }), element("rect", { class: kind, width: filled, height: 4 }));
  return chart;
}
