/** A token; its keys, units and which may be null: docs/API.md, "An item". */
export interface Item {
  readonly mint: string;
  readonly [key: string]: unknown;
}

/** What a delta says of a token. */
export type Change = { readonly mint: string; readonly removed?: true; readonly [key: string]: unknown };

/** A board of one's own: docs/API.md, "Views". */
export interface View {
  boards?: readonly ("new" | "graduating" | "bonded")[];
  filters?: Readonly<Record<string, string | number | boolean>>;
  sort?: string;
  limit?: number;
}

export interface Update {
  /** The name of the board, or what the view is called by the caller. */
  readonly board: string;
  /** By mint. */
  readonly items: ReadonlyMap<string, Item>;
  /** Mints that came, changed or went since the update before; null: everything is new. */
  readonly changed: ReadonlySet<string> | null;
  readonly epoch: string;
  readonly offset: number;
}

export interface Options {
  boards?: readonly string[];
  views?: Readonly<Record<string, View>>;
  /** Ends the feed. */
  signal?: AbortSignal;
  WebSocket?: typeof globalThis.WebSocket;
}

export interface Feed extends AsyncIterableIterator<Update> {
  end(): void;
}

export declare class FeedRefused extends Error {
  readonly code: string;
}

export declare const BOARDS: readonly string[];
export declare const SORT_KEYS: Readonly<Record<string, string>>;
export declare function follow(url: string, options?: Options): Feed;
export declare function fold(items: Map<string, Item>, changes: Iterable<Change>): Set<string>;
export declare function sortItems(items: Iterable<Item>, key: string): Item[];
