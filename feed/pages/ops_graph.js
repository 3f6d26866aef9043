// The actor graph: who sends to whom, how much flows, and how full each mailbox is.
//
//   /api/ops/graph (nodes, edges)  ->  lay out, once a width   ->  SVG
//   /api/ops/actors (figures)      ->  rates, depths, states   ->  written into it each second

import { element } from "./charts.js";

const WIDE = 1200, NARROW = 360, NARROW_BELOW = 760; // of the drawing; CSS pixels of its place
const CARD = { wide: 156, narrow: 172 }, HEAD = 26, ROW = 25, FOOT = 7, GAP = 14;
const NEARLY_FULL = 0.8, HALF_FULL = 0.4;
// By column; what is not named here stands with the actors of the fourth.
const COLUMNS = [
  (node) => node.kind === "stream",
  (node) => node.name === "ingest",
  (node) => ["trading", "market-data", "hot-score", "holder-count", "metadata", "providers"].includes(node.name),
  (node) => !["gateway", "history"].includes(node.name) && node.kind === "actor",
  (node) => node.kind === "actor",
  () => true,
];
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

const rateText = (rate) => (rate === undefined ? "" : rate > 0 && rate < 0.1 ? "<0.1/s" : `${short.format(rate)}/s`);
const stateOf = (box) => (box.depth >= NEARLY_FULL * box.capacity ? "down" : box.depth > HALF_FULL * box.capacity ? "warm" : "well");

export class ActorGraph {
  constructor(place) {
    this.place = place;
    this.graph = null;
    this.sent = new Map(); // by mailbox: [moment, messages]
    this.rates = new Map();
    this.cards = new Map();
    this.figures = null;
    new ResizeObserver(() => this.draw()).observe(place);
  }

  setGraph(graph) {
    this.graph = graph;
    this.shape = null;
    this.draw();
  }

  /** Who sends into a mailbox. */
  listSenders(mailbox) {
    return (this.graph?.edges ?? []).filter((edge) => edge.mailbox === mailbox).map(({ from }) => from);
  }

  /** Take the figures of a moment: of /api/ops/actors, and what /api/ops/health says is away. */
  take(figures, { degraded }) {
    const now = figures.process.uptime_seconds;
    for (const box of figures.mailboxes) {
      const before = this.sent.get(box.name);
      if (before && now > before[0] && box.sent >= before[1]) this.rates.set(box.name, (box.sent - before[1]) / (now - before[0]));
      this.sent.set(box.name, [now, box.sent]);
    }
    this.figures = figures;
    this.away = new Map(degraded.map(({ name, reason }) => [name, reason]));
    this.draw();
  }

  draw() {
    if (!this.graph?.nodes || !this.figures) return;
    const isNarrow = this.place.clientWidth < NARROW_BELOW;
    const boxes = new Map(this.figures.mailboxes.filter((box) => box.capacity > 1).map((box) => [box.name, box]));
    const actors = new Map(this.figures.actors.map((actor) => [actor.name, actor]));
    const shape = `${isNarrow} ${[...boxes.keys()]}`;
    if (this.shape !== shape) {
      this.shape = shape;
      this.build(isNarrow, boxes, actors);
    }
    this.write(boxes, actors);
  }

  build(isNarrow, boxes, actors) {
    const rows = (node) => (actors.get(node.name)?.inboxes ?? []).filter((name) => boxes.has(name));
    const cards = this.graph.nodes.map((node) => ({ node, rows: rows(node), height: HEAD + rows(node).length * ROW + FOOT }));
    const width = isNarrow ? NARROW : WIDE;
    const height = isNarrow ? placeNarrow(cards) : placeWide(cards);
    const svg = element("svg", { class: "graph", viewBox: `-2 -2 ${width + 4} ${height + 4}`, role: "img" });
    this.cards = new Map(cards.map((card) => [card.node.name, card]));
    const lines = element("g", { class: "edges", fill: "none" });
    this.edges = this.listEdges(boxes).map((edge) => {
      const line = element("path", { d: isNarrow ? this.curveDown(edge) : this.curve(edge) });
      lines.append(line);
      return { ...edge, line };
    });
    svg.append(lines, ...cards.map((card) => this.buildCard(card, isNarrow)));
    this.svg = svg;
    this.place.replaceChildren(svg);
  }

  /** One line from each sender to each mailbox that is drawn, and to each store. */
  listEdges(boxes) {
    return this.graph.edges.filter(({ from, to, mailbox }) => this.cards.has(from) && this.cards.has(to) && (mailbox === null || boxes.has(mailbox)));
  }

  buildCard(card, isNarrow) {
    const wide = isNarrow ? CARD.narrow : CARD.wide;
    card.wide = wide;
    const text = (attributes, words = "") => element("text", attributes, words);
    card.state = text({ class: "state", x: wide - 10, y: 17, "text-anchor": "end" });
    card.dot = element("circle", { cx: 13, cy: 13, r: 3.5 });
    const group = element("g", { transform: `translate(${card.x} ${card.y})`, class: `card-of-${card.node.kind}` },
      element("rect", { class: "box", width: wide, height: card.height, rx: 9 }),
      card.dot, text({ class: "name", x: 23, y: 17 }, card.node.name), card.state);
    card.mailboxes = card.rows.map((name, at) => {
      const y = HEAD + at * ROW, words = name === card.node.name ? "mail" : name.replace(`${card.node.name} `, "");
      const made = {
        name,
        label: text({ class: "mailbox", x: 12, y: y + 11 }, words),
        flow: text({ class: "flow", x: wide - 10, y: y + 11, "text-anchor": "end" }),
        bar: element("rect", { x: 12, y: y + 15, width: 0, height: 4, rx: 2 }),
      };
      group.append(made.label, made.flow, element("rect", { class: "track", x: 12, y: y + 15, width: wide - 22, height: 4, rx: 2 }), made.bar);
      return made;
    });
    return group;
  }

  /** From side to side: forwards from the right, backwards from the left, round within a column. */
  curve({ from, to, mailbox }) {
    const [a, b] = [this.cards.get(from), this.cards.get(to)];
    const row = b.rows.indexOf(mailbox);
    const wide = CARD.wide, y1 = a.y + HEAD / 2, y2 = row < 0 ? b.y + b.height / 2 : b.y + HEAD + row * ROW + 12;
    if (a.x === b.x) {
      const x = a.x + wide, bend = 26;
      return `M${x} ${y1} C${x + bend} ${y1} ${x + bend} ${y2} ${x} ${y2}`;
    }
    const [x1, x2] = a.x < b.x ? [a.x + wide, b.x] : [a.x, b.x + wide];
    const bend = (x2 - x1) / 2;
    return `M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
  }

  /** From below to above, or the other way round. */
  curveDown({ from, to }) {
    const [a, b] = [this.cards.get(from), this.cards.get(to)];
    const wide = CARD.narrow, isDown = a.y <= b.y;
    const [x1, x2] = [a.x + wide / 2, b.x + wide / 2];
    const [y1, y2] = isDown ? [a.y + a.height, b.y] : [a.y, b.y + b.height];
    const bend = Math.max(16, Math.abs(y2 - y1) / 3) * (isDown ? 1 : -1);
    return `M${x1} ${y1} C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}`;
  }

  write(boxes, actors) {
    const full = [];
    for (const card of this.cards.values()) {
      const actor = actors.get(card.node.name);
      const connected = actor?.summary?.connected;
      const isAway = this.away.has(card.node.name.toLowerCase());
      const isDown = actor ? actor.state !== "running" || connected === false : isAway;
      const state = isDown ? "down" : actor ? "well" : "outside";
      set(card.dot, "class", state);
      const words = !actor ? (isAway ? "away" : "") : actor.state !== "running" ? actor.state : connected === false ? "away" : actor.restarts ? `restarts: ${actor.restarts}` : "";
      setText(card.state, words);
      set(card.state, "class", `state ${state === "down" ? "down" : ""}`);
      for (const made of card.mailboxes) {
        const box = boxes.get(made.name), share = Math.min(1, box.depth / box.capacity), kind = stateOf(box);
        if (kind === "down") full.push(box);
        const depth = box.depth ? `${short.format(box.depth)} of ${short.format(box.capacity)} · ` : "";
        setText(made.flow, `${kind === "down" ? depth : box.depth ? `${short.format(box.depth)} · ` : ""}${rateText(this.rates.get(made.name))}`);
        set(made.flow, "class", `flow ${kind === "down" ? "down" : ""}`);
        set(made.bar, "class", kind);
        set(made.bar, "width", box.depth ? Math.max(2, share * (card.wide - 22)) : 0);
      }
    }
    const fullNames = new Set(full.map(({ name }) => name));
    for (const { line, mailbox } of this.edges) {
      const rate = this.rates.get(mailbox) ?? 0;
      set(line, "class", fullNames.has(mailbox) ? "down" : rate > 0 ? "flows" : mailbox === null ? "calls" : "");
      set(line, "stroke-width", mailbox === null ? 1 : (0.8 + Math.min(1.6, 0.55 * Math.log10(1 + rate))).toFixed(1));
    }
    const words = full.map(({ name, depth, capacity }) => `${name} is nearly full, ${depth} of ${capacity}`).join("; ");
    set(this.svg, "aria-label", `Actors and the mailboxes between them. ${words || "No mailbox is nearly full"}. The tables below tell the same.`);
  }
}

function set(node, name, value) {
  if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

function setText(node, words) {
  if (node.textContent !== words) node.textContent = words;
}

/** Columns from left to right, each centred; the height of the drawing. */
function placeWide(cards) {
  const columns = COLUMNS.map(() => []);
  for (const card of cards) columns[COLUMNS.findIndex((holds) => holds(card.node))].push(card);
  const heightOf = (column) => column.reduce((sum, card) => sum + card.height + GAP, -GAP);
  const height = Math.max(...columns.map(heightOf)), step = (WIDE - CARD.wide) / (columns.length - 1);
  columns.forEach((column, number) => {
    let y = (height - heightOf(column)) / 2;
    for (const card of column) {
      Object.assign(card, { x: Math.round(number * step), y: Math.round(y) });
      y += card.height + GAP;
    }
  });
  return height;
}

/** Two cards a line, in the order of the columns; the height of the drawing. */
function placeNarrow(cards) {
  const columnOf = (card) => COLUMNS.findIndex((holds) => holds(card.node));
  const sorted = [...cards].sort((a, b) => columnOf(a) - columnOf(b));
  let y = 0;
  while (sorted.length) {
    const first = sorted.shift();
    const line = sorted.length && first.node.name !== "ingest" && sorted[0].node.name !== "ingest" ? [first, sorted.shift()] : [first];
    line.forEach((card, at) => Object.assign(card, { x: line.length === 1 ? (NARROW - CARD.narrow) / 2 : at * (NARROW - CARD.narrow), y }));
    y += Math.max(...line.map((card) => card.height)) + 2 * GAP;
  }
  return y - 2 * GAP;
}
