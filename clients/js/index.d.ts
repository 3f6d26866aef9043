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
  sort?: Order;
  limit?: number;
}

export type Order = "new" | "graduating" | "bonded" | "hot" | "volume" | "marketcap" | "recent" | "watched" | "alphabetical";

/** What can be followed: a board by its name, a view, or one token by its mint. */
export type Request = { readonly board: string } | { readonly view: View } | { readonly token: string };

/** How far something was followed. */
export interface Cursor {
  readonly epoch: string;
  readonly offset: number;
}

// An async iterator over updates.

export interface Update extends Cursor {
  /** The name of the board, what the view is called by the caller, or `token:` and the mint. */
  readonly board: string;
  /** By mint. */
  readonly items: ReadonlyMap<string, Item>;
  /** Mints that came, changed or went since the update before; null: everything is new. */
  readonly changed: ReadonlySet<string> | null;
}

export interface ConnectionOptions {
  /** Ends the feed. */
  signal?: AbortSignal;
  /** Ask for a sign of life each second, and for the service's health: silence is noticed after 3 s instead of 15. */
  heartbeat?: boolean;
  WebSocket?: typeof globalThis.WebSocket;
  onState?: OnState;
  onTrades?(message: Trades): void;
  onCandles?(message: Candles): void;
}

export interface Options extends ConnectionOptions {
  boards?: readonly string[];
  views?: Readonly<Record<string, View>>;
  /** Mints. */
  tokens?: readonly string[];
}

export interface Feed extends AsyncIterableIterator<Update> {
  end(): void;
}

export declare function follow(url: string, options?: Options): Feed;

// The same by callbacks, for who changes what is followed as time goes.

/** `/ws`'s message of the same type: docs/API.md. */
export interface Health {
  readonly status: "ready" | "degraded" | "not ready";
  readonly reasons: readonly string[];
  readonly degraded: readonly { readonly name: string; readonly reason: string; readonly since: string | null }[];
}

/**
 * "connecting"; "live", with the health where `heartbeat` is set; "silent" since a moment, when what is
 * held may be stale; "waiting" until a moment, for the next attempt. Moments are milliseconds since 1970.
 */
export interface OnState {
  (...state: ["connecting", null] | ["live", Health | null] | ["silent", number] | ["waiting", number]): void;
}

/** Newest first; `whole`: they take the place of all that are held. docs/API.md, "One token". */
export interface Trades {
  readonly mint: string;
  readonly whole: boolean;
  readonly trades: readonly Readonly<Record<string, unknown>>[];
}

/** The newest of each length, oldest first. */
export interface Candles {
  readonly mint: string;
  readonly currency: "usd" | "sol" | null;
  readonly candles: Readonly<Record<"1m" | "5m" | "1h", readonly Readonly<Record<string, number | null>>[]>>;
}

export interface ClientOptions extends ConnectionOptions {
  /** What is followed under a key has changed: these mints; null: everything. */
  onChange?(key: string, changed: ReadonlySet<string> | null): void;
  /** What is followed under a key is not served; null: a watch was refused. It is asked for again after a break. */
  onRefused?(key: string | null, error: FeedRefused): void;
  onEnd?(): void;
}

export declare class Client {
  constructor(url: string, options?: ClientOptions);
  /** Later messages change this Map, not its items; null while nothing is known. */
  itemsOf(key: string): ReadonlyMap<string, Item> | null;
  cursorOf(key: string): Cursor | null;
  /** Instead of what was followed under the key. */
  follow(key: string, request: Request): void;
  unfollow(key: string): void;
  /** Count in `watcherCount` while this client is connected, or no more. */
  watch(mint: string, isWatched?: boolean): void;
  /** Try at once where the next attempt is waited for. */
  reconnect(): void;
  end(): void;
}

export declare class FeedRefused extends Error {
  constructor(error: { code: string; message: string });
  readonly code: string;
  /** The service's words, without the code. */
  readonly reason: string;
}

export declare const BOARDS: readonly string[];
/** The key of an item by which an order sorts. */
export declare const SORT_KEYS: Readonly<Record<Order, string>>;
export declare function fold(items: Map<string, Item>, changes: Iterable<Change>): Set<string>;
export declare function sortItems(items: Iterable<Item>, order: Order): Item[];
