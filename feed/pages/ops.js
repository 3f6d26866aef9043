// The operations page: every answer of /api/ops as tables, fetched again every two seconds.

const PAGES = ["actors", "writes", "checkpoints"];
const EVERY = 2000; // milliseconds
const UNKNOWN = "–";
const number = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
const main = document.getElementById("tables");
const sections = new Map();

const theme = (() => { try { return JSON.parse(localStorage.getItem("theme")); } catch { return null; } })();
if (theme) document.documentElement.dataset.theme = theme;

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const words = (name) => name.replaceAll("_", " ");

/** What an answer holds, as [title, rows]: lists of objects, objects of objects, and the rest. */
function tablesOf(name, answer) {
  if (Array.isArray(answer)) return [[name, answer]];
  const tables = [], rest = {};
  for (const [key, value] of Object.entries(answer ?? {})) {
    if (Array.isArray(value) && value.length && value.every(isObject)) tables.push([key, value]);
    else if (isObject(value) && Object.keys(value).length && Object.values(value).every(isObject)) {
      tables.push([key, Object.entries(value).map(([row, cells]) => ({ name: row, ...cells }))]);
    } else rest[key] = value;
  }
  return Object.keys(rest).length ? [[name, [rest]], ...tables] : tables;
}

/** Nested values as "name value" pairs; arrays as lists. */
function textOf(value) {
  if (typeof value === "number") return number.format(value);
  if (value === null || value === "") return UNKNOWN;
  if (Array.isArray(value)) return value.map((part) => (isObject(part) ? `(${textOf(part)})` : textOf(part))).join(", ");
  if (!isObject(value)) return String(value);
  return Object.entries(value)
    .map(([name, part]) => `${words(name)} ${isObject(part) ? `(${textOf(part)})` : textOf(part)}`)
    .join(" · ");
}

function cell(value) {
  const td = document.createElement("td"), text = textOf(value ?? null) || UNKNOWN;
  td.append(text);
  if (text === UNKNOWN) td.classList.add("none");
  else if (typeof value === "number") td.classList.add("number");
  else if (typeof value === "object") td.classList.add("nested");
  return td;
}

function table(rows) {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const element = document.createElement("table");
  const head = element.createTHead().insertRow();
  for (const column of columns) {
    const th = document.createElement("th");
    th.scope = "col";
    th.append(words(column));
    if (rows.some((row) => typeof row[column] === "number")) th.classList.add("number");
    head.append(th);
  }
  const body = element.createTBody();
  for (const row of rows) body.insertRow().append(...columns.map((column) => cell(row[column])));
  return element;
}

function nothing() {
  const paragraph = document.createElement("p");
  paragraph.className = "nothing";
  paragraph.append("Nothing yet.");
  return paragraph;
}

function show(title, rows) {
  if (!sections.has(title)) {
    const section = document.createElement("section");
    const heading = document.createElement("h2");
    const frame = document.createElement("div");
    heading.append(words(title)[0].toUpperCase() + words(title).slice(1));
    frame.className = "frame";
    frame.tabIndex = 0;
    frame.setAttribute("role", "region");
    frame.setAttribute("aria-label", words(title));
    section.append(heading, frame);
    main.append(section);
    sections.set(title, frame);
  }
  sections.get(title).replaceChildren(rows.length ? table(rows) : nothing());
}

function showState(state, text) {
  if (document.getElementById("link").dataset.state === state) return;
  document.getElementById("link").dataset.state = state;
  document.getElementById("link-text").textContent = text;
}

async function refresh() {
  try {
    for (const name of PAGES) {
      const answer = await fetch(`/api/ops/${name}`, { signal: AbortSignal.timeout(5000) });
      if (!answer.ok) throw new Error(answer.status);
      for (const [title, rows] of tablesOf(name, await answer.json())) show(title, rows);
    }
    showState("live", "Live");
  } catch {
    showState("offline", "No answer; trying again");
  }
  setTimeout(refresh, EVERY);
}

refresh();
