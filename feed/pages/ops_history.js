// Charts of hours: out of what /api/ops/history tells, in points of 15 s or of five minutes.

import { element, ceiling } from "./charts.js";

const WIDTH = 400, HEIGHT = 108, TOP = 12, FLOOR = 92;
const MOST_SHOWN = 400; // points a line: more than a chart has pixels for
const GAP_POINTS = 3; // a longer silence breaks the line
const two = (number) => String(number).padStart(2, "0");
const exact = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

const number = (value) => (value >= 10000 ? short.format(value) : exact.format(value));
const each = (unit) => (value) => `${number(value)}${unit}`;
const percent = (value) => `${exact.format(value * 100)} %`;
const seconds = (value) => (value === 0 ? "0 s" : value < 1 ? `${exact.format(value * 1000)} ms` : value < 120 ? `${exact.format(value)} s` : value < 7200 ? `${exact.format(value / 60)} min` : `${exact.format(value / 3600)} h`);

function bytes(value) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) value /= 1000, unit += 1;
  return `${exact.format(value)} ${units[unit]}`;
}

// A chart: its lines are [class, series, words]; the first is filled.
const CHARTS = [
  { title: "Events in", format: each("/s"), lines: [["sync", "events_per_second", "messages of the streams"]] },
  { title: "New tokens", format: (value) => `${number(value * 60)}/min`, lines: [["sync", "new_tokens_per_second", "admitted"]] },
  { title: "Updates", format: each("/s"), lines: [["sync", "updates_per_second", "appended to the buffer"]] },
  { title: "Rows written to Postgres", format: (value) => `${number(value * 3600)}/h`, lines: [["sync", "rows_per_second", "now"], ["before", "rows_before_per_second", "as it was, modelled"]] },
  { title: "WAL", format: (value) => `${bytes(value)}/s`, lines: [["sync", "own_wal_bytes_per_second", "during our commits"], ["others", "server_wal_bytes_per_second", "the whole server"]] },
  { title: "Checkpoints: write and sync", format: seconds, lines: [["sync", "checkpoint_seconds", "when one ends"]], marks: [["well", "checkpoints_timed", "timed"], ["down", "checkpoints_requested", "requested"]] },
  { title: "Unflushed tokens", format: number, lines: [["sync", "unflushed_tokens", "not in Postgres yet"], ["warm", "held_back_rows", "held back"]] },
  { title: "Oldest unflushed value", format: seconds, lines: [["sync", "oldest_unflushed_seconds", "at the last look"]] },
  { title: "Clients", format: number, lines: [["sync", "clients", "on the boards"]] },
  { title: "Fullest mailbox", format: percent, lines: [["sync", "fullest_mailbox_share", "of its bound"]], least: 1 },
  { title: "Dropped messages", format: number, lines: [["down", "dropped_messages", "of all mailboxes"]] },
  { title: "Event loop: latest it ran", format: seconds, lines: [["sync", "loop_lag_seconds", "after it was due"]] },
  { title: "CPU", format: percent, lines: [["sync", "cpu_share", "of one core"]], least: 1 },
  { title: "Memory", format: bytes, lines: [["sync", "memory_bytes", "resident"]] },
  { title: "Problems", format: number, lines: [["warm", "problems", "that stood at once"]] },
];

export const SERIES = CHARTS.flatMap(({ lines, marks = [] }) => [...lines, ...marks].map(([, name]) => name));

/** Show all charts of a history in `place`. */
export function showHistory(place, told) {
  place.replaceChildren(...CHARTS.map((chart) => figure(chart, thin(told))));
}

/** At most MOST_SHOWN points: of each few the greatest, so that no peak is lost. */
export function thin(told) {
  const step = Math.ceil(told.at.length / MOST_SHOWN);
  if (step <= 1) return told;
  const starts = told.at.map((_, at) => at).filter((at) => at % step === 0);
  const fold = (values) => starts.map((start) => {
    const known = values.slice(start, start + step).filter((value) => value !== null);
    return known.length ? Math.max(...known) : null;
  });
  const series = Object.fromEntries(Object.entries(told.series).map(([name, one]) => [name, { ...one, values: fold(one.values) }]));
  return { ...told, at: starts.map((start) => told.at[Math.min(start + step, told.at.length) - 1]), secondsPerPoint: told.secondsPerPoint * step, series };
}

const values = (told, name) => told.series[name]?.values ?? [];
const last = (list) => list.findLast((value) => value !== null) ?? null;

function figure(chart, told) {
  const made = document.createElement("figure"), caption = document.createElement("figcaption");
  const title = document.createElement("b"), readout = document.createElement("span");
  title.textContent = chart.title;
  const shown = (at) => chart.lines.map(([, name, words]) => {
    const list = values(told, name), value = at === null ? last(list) : list[at];
    return `${value === null || value === undefined ? "–" : chart.format(value)} ${words}`;
  }).join(" · ");
  const write = (at) => (readout.textContent = at === null ? shown(null) : `${timeText(told.at[at], told.hours)}: ${shown(at)}`);
  write(null);
  caption.append(title, readout);
  const { svg, find } = draw(chart, told, `${chart.title}, ${spanText(told.hours)}: ${shown(null)}`);
  made.dataset.points = told.at.length;
  made.dataset.from = told.at[0] ?? "";
  svg.addEventListener("pointermove", (event) => write(find(event)));
  svg.addEventListener("pointerleave", () => write(null));
  made.append(caption, svg);
  return made;
}

const spanText = (hours) => (hours === 168 ? "the last 7 days" : hours === 1 ? "the last hour" : `the last ${hours} hours`);

function timeText(moment, hours) {
  const at = new Date(moment * 1000), time = `${two(at.getHours())}:${two(at.getMinutes())}`;
  return hours > 24 ? `${at.toLocaleDateString([], { weekday: "short" })} ${time}` : time;
}

function draw(chart, told, label) {
  const until = told.at.at(-1) ?? 0, from = until - told.hours * 3600;
  const all = chart.lines.flatMap(([, name]) => values(told, name)).filter((value) => value !== null);
  const greatest = Math.max(0, chart.least ?? 0, ...all);
  const most = greatest > 0 ? ceiling(greatest) : 1;
  const x = (moment) => ((moment - from) / (until - from || 1)) * WIDTH, y = (value) => FLOOR - (value / most) * (FLOOR - TOP);
  const svg = element("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label });
  svg.append(element("line", { class: "axis", x1: 0, x2: WIDTH, y1: FLOOR, y2: FLOOR }));
  for (const part of [0.5, 1]) {
    svg.append(element("line", { class: "grid", x1: 0, x2: WIDTH, y1: y(most * part), y2: y(most * part) }),
      element("text", { class: "scale", x: 2, y: y(most * part) - 3 }, chart.format(most * part)));
  }
  for (const part of [0, 0.5, 1]) {
    const anchor = part === 0 ? "start" : part === 1 ? "end" : "middle";
    if (told.at.length) svg.append(element("text", { class: "scale", x: part * WIDTH, y: HEIGHT - 3, "text-anchor": anchor }, timeText(from + part * (until - from), told.hours)));
  }
  chart.lines.forEach(([kind, name], number) => {
    const runs = listRuns(told, values(told, name)).map((run) => run.map(([moment, value]) => [x(moment).toFixed(1), y(value).toFixed(1)]));
    const path = runs.map((run) => `M${run.map((point) => point.join(" ")).join("L")}`).join("");
    if (number === 0) {
      const area = runs.map((run) => `M${run[0][0]} ${FLOOR}L${run.map((point) => point.join(" ")).join("L")}L${run.at(-1)[0]} ${FLOOR}Z`).join("");
      svg.append(element("path", { class: `area ${kind}`, d: area }));
    }
    svg.append(element("path", { class: `curve ${kind}`, d: path }));
  });
  for (const [kind, name] of chart.marks ?? []) {
    values(told, name).forEach((value, at) => value && svg.append(element("path", { class: kind, d: `M${x(told.at[at]).toFixed(1)} ${FLOOR + 2} l4 7 h-8 z` })));
  }
  const find = (event) => {
    const place = svg.getBoundingClientRect();
    const moment = from + ((event.clientX - place.left) / place.width) * (until - from);
    let nearest = null;
    told.at.forEach((at, index) => { if (nearest === null || Math.abs(at - moment) < Math.abs(told.at[nearest] - moment)) nearest = index; });
    return nearest;
  };
  return { svg, find };
}

/** The points that are known, in runs without a gap. */
function listRuns(told, list) {
  const runs = [];
  let before = -Infinity;
  list.forEach((value, at) => {
    if (value === null || told.at[at] < told.at.at(-1) - told.hours * 3600) return;
    if (told.at[at] - before > GAP_POINTS * told.secondsPerPoint) runs.push([]);
    runs.at(-1).push([told.at[at], value]);
    before = told.at[at];
  });
  return runs;
}
