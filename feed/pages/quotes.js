// What a token is paired with. Pure.

const SOL = "So11111111111111111111111111111111111111112";
const QUOTES = {
  EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v: "USDC",
  Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB: "USDT",
  USD1ttGY1N17NEEHLmELoaybftRBUSErhqYiQzvEmuB: "USD1",
};

/** The name of what is not SOL; empty for SOL, and where it is not known. */
export const quoteOf = ({ quoteMint }) => (!quoteMint || quoteMint === SOL ? "" : QUOTES[quoteMint] ?? `${quoteMint.slice(0, 4)}…`);
