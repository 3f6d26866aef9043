// Alerts in this browser: rules kept here, a dialog to edit them, and what happens when one fires.
//
// Watched tokens and single ones are asked for every few seconds, whether a board shows them or not; boards and views
// tell `seeBoard` what they hold. What fires is shown on the page, in the tab's title, as a notification where that
// is allowed, and with a sound where a rule wants one.

import { AlertJudge, dollarsOf, firedWords, KINDS, MOST_RULES, readRule, readRules } from "./alert_rules.js";
import { icon, loadStyle, make, setText } from "./token_parts.js";
import { dollars, price, shortAddress, symbolOf } from "./token_words.js";

const EVERY = 4_000; // milliseconds between two looks at single tokens
const MINTS_AT_ONCE = 100, MOST_MINTS = 200; // as the service takes them; as many as can be watched
const MOST_AT_ONCE = 3, MOST_TOASTS = 4, TOAST_STAYS = 15_000, SOUND_EVERY = 2_000;
const BOARDS = { new: "New", graduating: "Graduating", bonded: "Bonded", hot: "Hot" };

const stored = {
  get(key) {
    try {
      return JSON.parse(localStorage.getItem(key));
    } catch {
      return null;
    }
  },
  set(key, value) {
    try {
      localStorage.setItem(key, JSON.stringify(value));
    } catch { /* private mode: lasts for this visit */ }
  },
};

// The tab's title: what the page wants, and how much has fired since somebody looked.

let title = document.title, unseen = 0;

export function setPageTitle(text) {
  title = text;
  showTitle();
}

function showTitle() {
  const shown = unseen ? `(${unseen}) ${title}` : title;
  if (document.title !== shown) document.title = shown;
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  unseen = 0;
  showTitle();
});

// Sound, without a file: two short tones.

let audio = null;

export function playSound() {
  audio ??= new AudioContext();
  audio.resume();
  [[880, 0], [1318.5, 0.14]].forEach(([frequency, after]) => {
    const tone = audio.createOscillator(), volume = audio.createGain(), from = audio.currentTime + after;
    tone.frequency.value = frequency;
    volume.gain.setValueAtTime(0.0001, from);
    volume.gain.exponentialRampToValueAtTime(0.18, from + 0.015);
    volume.gain.exponentialRampToValueAtTime(0.0001, from + 0.22);
    tone.connect(volume).connect(audio.destination);
    tone.start(from);
    tone.stop(from + 0.24);
  });
}

class Alerts {
  constructor() {
    this.rules = readRules(stored.get("alerts"));
    this.judge = new AlertJudge(this.rules);
    this.toasts = make("ol", { class: "alert-toasts", role: "status", "aria-label": "Alerts" });
    this.timer = null;
    this.soundedAt = -Infinity;
    addEventListener("storage", ({ key }) => key === "alerts" && this.setRules(readRules(stored.get("alerts")), false));
    this.follow();
  }

  // Rules.

  setRules(rules, isOurs = true) {
    this.rules = rules;
    this.judge.setRules(rules);
    if (isOurs) stored.set("alerts", rules);
    this.showRules();
    this.follow();
  }

  /** The mints that rules ask about by themselves. */
  get mints() {
    const watched = this.rules.some(({ scope }) => scope === "watched") ? stored.get("watched") ?? [] : [];
    const single = this.rules.map(({ kind, scope }) => (kind === "newIn" || scope === "watched" ? null : scope)).filter(Boolean);
    return [...new Set([...single, ...watched])].slice(0, MOST_MINTS);
  }

  // What comes in.

  /** Ask for single tokens again and again while rules are about them. Also while the tab is hidden: that is when alerts matter. */
  follow() {
    const isWanted = this.rules.some(({ kind }) => kind !== "newIn");
    if (isWanted && !this.timer) {
      this.timer = setInterval(() => this.ask(), EVERY);
      this.ask();
    } else if (!isWanted && this.timer) {
      clearInterval(this.timer);
      this.timer = null;
    }
  }

  async ask() {
    if (this.isAsking) return;
    this.isAsking = true;
    try {
      const { mints } = this;
      for (let at = 0; at < mints.length; at += MINTS_AT_ONCE) {
        const answer = await fetch(`/api/tokens?mints=${mints.slice(at, at + MINTS_AT_ONCE).join(",")}`, { signal: AbortSignal.timeout(10_000) });
        if (answer.ok) this.see((await answer.json()).tokens);
      }
    } catch (error) {
      console.debug("alerts: the service does not answer", error); // the page says so, and the next look comes
    } finally {
      this.isAsking = false;
    }
  }

  see(items) {
    this.fireAll(this.judge.see(items, new Set(stored.get("watched") ?? [])));
  }

  /** A board or view as it is now: a Map of items by mint; whether it was told anew, so that nothing in it is news. */
  seeBoard(name, items, isWhole = false) {
    this.fireAll(this.judge.seeBoard(name, items, isWhole));
  }

  // What happens.

  /** After a gap many may fire at once: the first few are told of, and how many there are. */
  fireAll(fired) {
    fired.slice(0, MOST_AT_ONCE).forEach((each) => this.fire(each));
    const more = fired.length - MOST_AT_ONCE;
    if (more > 0) this.toast(`${more} more`, "have fired", "", fired.at(-1).item.mint);
  }

  fire({ rule, item }) {
    const name = symbolOf(item), words = firedWords({ ...rule, scope: BOARDS[rule.scope] ?? rule.scope });
    const figures = [item.marketCapUsd === null ? null : dollars(item.marketCapUsd), item.priceUsd === null ? null : price(item.priceUsd)].filter(Boolean).join(" at ");
    if (document.hidden || !document.hasFocus()) {
      unseen += 1;
      showTitle();
      this.notify(`${name} ${words}`, figures, item.mint, rule.kind);
    }
    if (rule.sound && performance.now() - this.soundedAt > SOUND_EVERY) {
      this.soundedAt = performance.now();
      playSound();
    }
    this.toast(name, words, figures, item.mint);
  }

  notify(text, figures, mint, kind) {
    if (!("Notification" in globalThis) || Notification.permission !== "granted") return;
    // Of several tabs with the same rules, one notification is left.
    const notification = new Notification(text, { body: figures, tag: `${kind} ${mint}`, icon: `/img/${mint}` });
    notification.onclick = () => {
      focus();
      open(`/token/${mint}`, "_blank", "noopener");
      notification.close();
    };
  }

  toast(name, words, figures, mint) {
    loadStyle("/assets/alerts.css");
    if (!this.toasts.isConnected) document.body.append(this.toasts);
    const toast = make("li", {}, make("a", { href: `/token/${mint}` }, make("b", {}, name), ` ${words}`, make("small", {}, figures)));
    this.toasts.prepend(toast);
    while (this.toasts.children.length > MOST_TOASTS) this.toasts.lastChild.remove();
    setTimeout(() => toast.remove(), TOAST_STAYS);
  }

  // The dialog.

  /** A button that opens the dialog; about one token if its mint is given. */
  makeButton(properties = {}, about = {}) {
    const button = make("button", { type: "button", "aria-label": "Alerts", title: "Alerts", ...properties }, icon("bell"));
    button.addEventListener("click", () => this.open(about));
    return button;
  }

  /** Open the dialog. `mint` and `symbol` of one token; `views`, names of what `seeBoard` is told beside the boards. */
  open({ mint = null, symbol = null, views = [] } = {}) {
    loadStyle("/assets/alerts.css");
    this.dialog?.remove();
    this.about = { mint, symbol, views };
    this.list = make("ol", { class: "alert-rules" });
    this.dialog = make("dialog", { class: "alerts", "aria-labelledby": "alerts-title" },
      make("header", {}, make("h2", { id: "alerts-title" }, "Alerts"), this.makeClose()),
      this.list, this.makeForm(), this.makePermission());
    this.dialog.addEventListener("close", () => this.dialog.remove());
    document.body.append(this.dialog);
    this.showRules();
    this.dialog.showModal();
  }

  makeClose() {
    const close = make("button", { type: "button", class: "alert-icon", "aria-label": "Close", title: "Close (Esc)" }, icon("close"));
    close.addEventListener("click", () => this.dialog.close());
    return close;
  }

  makeForm() {
    const { mint, symbol, views } = this.about;
    const scope = make("select", { name: "scope", "aria-label": "Of which tokens" },
      ...(mint ? [make("option", { value: mint }, symbol ?? shortAddress(mint))] : []),
      make("option", { value: "watched" }, "Any watched token"),
      ...[...Object.entries(BOARDS), ...views.map((view) => [view, view])].map(([name, text]) => make("option", { value: name, dataset: { board: "" } }, `A token, in ${text}`)));
    const kind = make("select", { name: "kind", "aria-label": "What it does" });
    const value = make("input", { name: "value", type: "text", inputMode: "decimal", placeholder: "US dollars", autocomplete: "off", "aria-label": "US dollars" });
    const sound = make("input", { name: "sound", type: "checkbox" }), problem = make("p", { class: "alert-problem", role: "alert" });
    const form = make("form", { class: "alert-form" }, scope, kind, value, make("label", {}, sound, " Sound"), make("button", { type: "submit", class: "alert-add" }, "Add"), problem);
    const showKinds = () => {
      const wanted = "board" in scope.selectedOptions[0].dataset ? "board" : "watched";
      kind.replaceChildren(...Object.entries(KINDS).filter(([, { scopes }]) => scopes.includes(wanted)).map(([name, { label }]) => make("option", { value: name }, label)));
      value.hidden = !KINDS[kind.value].unit;
    };
    scope.addEventListener("change", showKinds);
    kind.addEventListener("change", () => (value.hidden = !KINDS[kind.value].unit));
    sound.addEventListener("change", () => sound.checked && playSound());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const rule = readRule({ kind: kind.value, scope: scope.value, value: dollarsOf(value.value), sound: sound.checked });
      setText(problem, !rule ? "Give an amount of US dollars, such as 69000 or 69k." : this.rules.length >= MOST_RULES ? `There are ${MOST_RULES} rules already: remove one first.` : "");
      if (problem.textContent) return;
      this.setRules([...this.rules.filter((other) => JSON.stringify(other) !== JSON.stringify(rule)), rule]);
      value.value = "";
    });
    showKinds();
    return form;
  }

  makePermission() {
    const words = make("p", { class: "alert-note" });
    const allow = make("button", { type: "button", class: "alert-add" }, "Allow notifications");
    const show = () => {
      const permission = "Notification" in globalThis ? Notification.permission : "unsupported";
      allow.hidden = permission !== "default";
      setText(words, {
        granted: "Notifications come while this tab is in the background. They end when it is closed.",
        denied: "This browser blocks notifications of this page: alerts are shown on the page and in the tab's title alone.",
        unsupported: "This browser has no notifications: alerts are shown on the page and in the tab's title alone.",
        default: "Without permission, alerts are shown on the page and in the tab's title alone.",
      }[permission]);
    };
    allow.addEventListener("click", async () => {
      await Notification.requestPermission();
      show();
    });
    show();
    return make("div", { class: "alert-permission" }, words, allow);
  }

  showRules() {
    if (!this.list?.isConnected) return;
    this.list.replaceChildren(...this.rules.map((rule) => {
      const { kind, scope, sound } = rule, remove = make("button", { type: "button", class: "alert-icon", "aria-label": "Remove this alert", title: "Remove" }, icon("close"));
      remove.addEventListener("click", () => this.setRules(this.rules.filter((other) => other !== rule)));
      const who = scope === "watched" ? "Any watched token" : kind === "newIn" ? "A token" : scope === this.about.mint ? this.about.symbol ?? shortAddress(scope) : shortAddress(scope);
      return make("li", {}, make("span", {}, make("b", {}, who), ` ${firedWords({ ...rule, scope: BOARDS[scope] ?? scope })}`, sound ? make("small", {}, "with sound") : null), remove);
    }));
    if (!this.rules.length) this.list.append(make("li", { class: "alert-note" }, "No alert yet."));
  }
}

export const alerts = new Alerts();
