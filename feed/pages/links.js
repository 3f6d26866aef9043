// Links to other sites about a token, as the settings list them (`gateway.links`).

export const LINKS = "{links}"; // [[name, template], ...]

/** `[name, address]` for one mint, in the order of the settings. */
export function linksOf(mint) {
  return LINKS.map(([name, template]) => [name, template.replace("{mint}", encodeURIComponent(mint))]);
}
