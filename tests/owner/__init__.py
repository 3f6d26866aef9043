"""The owner's backend, as far as this service meets it: his models, their migration, his client.

`schema.prisma` are the models, `migration.sql` the tables that Prisma makes of them; `client.mjs`
is his Prisma client, which `install_backend` puts together from npm and `PrismaClient` talks to.
"""
