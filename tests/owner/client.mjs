// The owner's Prisma client as a process: a line of JSON asks, a line of JSON answers.
//
//   {"url", "schema", "calls": [[model or "$queryRawUnsafe", operation, arguments], ...], "together"}
//   -> {"values": [...]}  or  {"error": {"name", "code", "message", "cause"}}
//
// "together" is null, "batch" (prisma.$transaction of a list), "interactive" (of a function),
// "parallel" (Promise.all), or "disconnect", with no calls, for a database that is needed no longer.
// What JSON cannot tell apart is tagged, both ways: {"$decimal": "0.1"}, {"$date": ISO 8601},
// {"$bigint": "1"}, {"$bytes": base64}. Requests are answered one after the other.

import { createInterface } from "node:readline";
import { PrismaPg } from "@prisma/adapter-pg";
import { Prisma, PrismaClient } from "./generated/index.js";

const clients = new Map(); // by address and schema, each with a pool of connections

const keyOf = (url, schema) => JSON.stringify([url, schema]);

function clientOf(url, schema) {
  const key = keyOf(url, schema);
  if (!clients.has(key)) {
    const adapter = new PrismaPg({ connectionString: url, max: 4 }, schema ? { schema } : {});
    clients.set(key, new PrismaClient({ adapter, errorFormat: "minimal" }));
  }
  return clients.get(key);
}

function tagged(value) {
  if (typeof value === "bigint") return { $bigint: String(value) };
  if (Prisma.Decimal.isDecimal(value)) return { $decimal: value.toString() };
  if (value instanceof Date) return { $date: value.toISOString() };
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return value.map(tagged);
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, tagged(part)]));
  }
  return value;
}

function untagged(value) {
  if (Array.isArray(value)) return value.map(untagged);
  if (value === null || typeof value !== "object") return value;
  const [[tag, content] = []] = Object.entries(value);
  if (tag === "$bigint") return BigInt(content);
  if (tag === "$decimal") return new Prisma.Decimal(content);
  if (tag === "$date") return new Date(content);
  if (tag === "$bytes") return Buffer.from(content, "base64");
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, untagged(part)]));
}

function begin(client, [model, operation, given]) {
  if (model === "$queryRawUnsafe") return client.$queryRawUnsafe(operation, ...untagged(given));
  return client[model][operation](untagged(given));
}

async function disconnect(url, schema) {
  await clientOf(url, schema).$disconnect();
  clients.delete(keyOf(url, schema));
  return [];
}

async function inOrder(client, calls) {
  const values = [];
  for (const call of calls) values.push(await begin(client, call));
  return values;
}

async function answer({ url, schema, calls, together }) {
  if (together === "disconnect") return disconnect(url, schema);
  const client = clientOf(url, schema);
  if (together === "batch") return client.$transaction(calls.map((call) => begin(client, call)));
  if (together === "parallel") return Promise.all(calls.map((call) => begin(client, call)));
  if (together === "interactive") return client.$transaction((inside) => inOrder(inside, calls));
  return inOrder(client, calls);
}

for await (const line of createInterface({ input: process.stdin })) {
  let reply;
  try {
    reply = { values: tagged(await answer(JSON.parse(line))) };
  } catch (error) {
    const { name, code = null, message, cause = null } = error;
    reply = { error: { name, code, message, cause: tagged(cause) } };
  }
  process.stdout.write(JSON.stringify(reply) + "\n");
}
await Promise.all([...clients.values()].map((client) => client.$disconnect()));
