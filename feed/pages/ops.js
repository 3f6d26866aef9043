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

function cell(value) {
  const td = document.createElement("td");
  if (value === null || value === undefined || value === "") td.append(UNKNOWN), td.classList.add("none");
  else if (typeof value === "number") td.append(number.format(value)), td.classList.add("number");
  else if (typeof value === "object") td.append(JSON.stringify(value)), td.classList.add("nested");
  else td.append(String(value));
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
