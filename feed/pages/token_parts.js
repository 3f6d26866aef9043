// Small parts that a token's view is made of. What a token says of itself only ever becomes text.

const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  star: { d: "m8 1.7 1.9 4 4.4.6-3.2 3 .8 4.4L8 11.6l-3.9 2.1.8-4.4-3.2-3 4.4-.6Z", line: true },
  copy: { d: "M5.5 5.5v-3h8v8h-3m-8-5h8v8h-8Z", line: true },
  check: { d: "m3 8.5 3.5 3.5L13 4.5", line: true },
  close: { d: "m4 4 8 8m0-8-8 8", line: true },
  open: { d: "M6 3H3v10h10v-3M9 3h4v4m0-4L7.5 8.5", line: true },
  bell: { d: "M8 2a4 4 0 0 0-4 4c0 3-1.5 4-1.5 5h11C13.5 10 12 9 12 6a4 4 0 0 0-4-4Zm-1.5 11.5h3", line: true },
};

/** An element with properties (`class`, `dataset`, `aria-*` and others as attributes), and children. */
export function make(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") made.className = value;
    else if (key === "dataset") Object.assign(made.dataset, value);
    else if (key in made && !key.startsWith("aria-")) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg"), path = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("line-icon");
  path.setAttribute("d", ICONS[name].d);
  svg.append(path);
  return svg;
}

/** Load a style sheet, once. */
export function loadStyle(path) {
  if (!document.querySelector(`link[href="${path}"]`)) document.head.append(make("link", { rel: "stylesheet", href: path }));
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

/** A link to another site, which learns nothing of this one. */
export function outLink(href, ...children) {
  return make("a", { href, target: "_blank", rel: "noopener noreferrer nofollow ugc" }, ...children);
}

/** A button that copies a text, and says so for a moment. */
export function copyButton(text, shown, label) {
  const button = make("button", { type: "button", class: "copy-text", title: text, "aria-label": label }, make("code", {}, shown), icon("copy"));
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      return void getSelection().selectAllChildren(button); // not allowed: let the reader copy
    }
    button.lastChild.replaceWith(icon("check"));
    button.classList.add("done");
    setTimeout(() => {
      button.classList.remove("done");
      button.lastChild.replaceWith(icon("copy"));
    }, 1200);
  });
  return button;
}

/** A list of figures: `rows` are `[label, write(item, now), title]`; `show(item, now)` writes them. */
export class Figures {
  constructor(rows) {
    this.rows = rows.map(([label, write, title]) => {
      const value = make("dd");
      return { write, value, element: make("div", title ? { title } : {}, make("dt", {}, label), value) };
    });
    this.element = make("dl", { class: "figures" }, ...this.rows.map(({ element }) => element));
  }

  show(item, now) {
    for (const { write, value } of this.rows) {
      const told = write(item, now), { text, mood = "" } = typeof told === "object" && told !== null ? told : { text: told };
      setText(value, text);
      if (value.dataset.mood !== mood) value.dataset.mood = mood;
    }
  }
}

/** A section with a heading, a line that says where its figures come from, and contents. */
export class Section {
  constructor(title, ...children) {
    this.origin = make("p", { class: "origin" });
    this.element = make("section", { class: "part" }, make("header", {}, make("h2", {}, title), this.origin), ...children);
  }

  showOrigin(words) {
    setText(this.origin, words ? `From ${words}` : "");
  }
}
