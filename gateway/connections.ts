/** How many connections to Postgres a process holds. */

/** Connections for reading; with those of committers, lease and bulk they stay below PostgreSQL's usual hundred. */
export const readConnections = 8
export const committers = 2

/** Beside those above: for small statements, bulk, lease, sweep. */
const others = 4

/** The most that one process uses at a time. */
export const connectionsOfProcess = readConnections + committers + others
