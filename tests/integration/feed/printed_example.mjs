// Runs a script of docs/API.md as it is printed, in as much of a browser as it uses. What it shows
// goes to stdout, a JSON value a line; localhost:8080 leads to the port of the test's service.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { runInThisContext } from "node:vm";

const [file, port] = process.argv.slice(2);
const redirect = (url) => String(url).replace("localhost:8080", `127.0.0.1:${port}`);
const tell = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

const elements = new Map();
const makeElement = () => ({
  cells: [],
  insertCell() {
    return this.cells[this.cells.push({}) - 1];
  },
  replaceChildren(...rows) {
    this.rows = rows;
    tell({ rows: rows.map((row) => row.cells.map((cell) => cell.textContent)) });
  },
  set textContent(text) {
    tell({ text });
  },
});
const fetchThere = fetch, NodeSocket = globalThis.WebSocket;
Object.assign(globalThis, {
  document: {
    createElement: makeElement,
    querySelector(name) {
      if (!elements.has(name)) elements.set(name, makeElement());
      return elements.get(name);
    },
  },
  fetch: (url, options) => fetchThere(redirect(url), options),
  WebSocket: class extends (NodeSocket ?? Object) {
    constructor(url) {
      super(redirect(url));
    }
  },
  EventSource: class extends EventTarget {
    constructor(url) {
      super();
      this.read(redirect(url));
    }

    async read(url) {
      for (let lastId = ""; ; ) {
        const headers = lastId ? { "Last-Event-ID": lastId } : {};
        const answer = await fetchThere(url, { headers });
        let text = "";
        try {
          for await (const part of answer.body.pipeThrough(new TextDecoderStream())) {
            const blocks = (text + part).split("\n\n");
            text = blocks.pop();
            for (const block of blocks) {
              const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: ?(.*)/s)));
              lastId = fields.id ?? lastId;
              if (fields.data) this.dispatchEvent(new MessageEvent(fields.event, { data: fields.data }));
            }
          }
        } catch (error) {
          tell({ error: error.message });
        }
      }
    }
  },
  console: { log: (...words) => tell({ log: words }), error: (...words) => tell({ error: words }) },
});

// Each line that comes in is an expression: what a person does, or what the test wants to know.
createInterface({ input: process.stdin }).on("line", (line) => tell({ told: runInThisContext(line) ?? null }));
runInThisContext(readFileSync(file, "utf8"));
