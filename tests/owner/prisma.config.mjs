// For `prisma migrate diff` alone: its schema engine as WebAssembly, since the binary is no npm package.

import { PrismaPg } from "@prisma/adapter-pg";
import { defineConfig } from "prisma/config";

export default defineConfig({
  schema: "schema.prisma",
  experimental: { adapter: true },
  engine: "js",
  // Prisma leaves its connections open, and node waits until the pool has closed what is idle.
  adapter: async () => new PrismaPg({ connectionString: process.env.DATABASE_URL, idleTimeoutMillis: 10 }),
});
