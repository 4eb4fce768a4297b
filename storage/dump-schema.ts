/**
 * Writes down what a migrated database consists of, so that a migration's effect shows in review: `schema.sql` is this text
 * after the last migration. It is made from the catalogue, in an order of its own, and is the same on every supported
 * PostgreSQL version.
 */

import type { Reads } from './reads.ts'

interface Column {
  readonly table: string
  readonly name: string
  readonly type: string
  readonly notNull: boolean
  readonly fallback: string | null
}

interface Named {
  readonly table: string
  readonly name: string
  readonly definition: string
}

/** The schema as SQL text: tables with columns, constraints and indexes, sequences, functions. */
export async function dumpSchema(reads: Reads): Promise<string> {
  const [columns, constraints, indexes, sequences, functions] = await Promise.all([
    readColumns(reads),
    readConstraints(reads),
    readIndexes(reads),
    readSequences(reads),
    readFunctions(reads),
  ])
  const tables = [...Map.groupBy(columns, (column) => column.table)].map(([table, own]) => {
    const lines = [
      ...own.map(columnLine),
      ...constraints.filter((each) => each.table === table).map((each) => each.definition),
    ]
    const after = indexes.filter((each) => each.table === table).map((each) => `${each.definition};\n`)
    return `create table ${table} (\n${lines.map((line) => `  ${line}`).join(',\n')}\n);\n${after.join('')}`
  })
  const header = '-- What the migrations make, written by dump-schema.ts. Do not edit.\n'
  return [header, ...sequences, ...tables, ...functions].join('\n')
}

function columnLine({ name, type, notNull, fallback }: Column): string {
  return `${name} ${type}${notNull ? ' not null' : ''}${fallback === null ? '' : ` default ${fallback}`}`
}

async function readColumns({ sql }: Reads): Promise<Column[]> {
  return sql<Column[]>`
    select c.relname as "table", a.attname as name, a.attnotnull as "notNull",
      format_type(a.atttypid, a.atttypmod) ||
        case when l.collname is not null and l.collname <> 'default' then ' collate ' || quote_ident(l.collname) else '' end as type,
      pg_get_expr(d.adbin, d.adrelid) as fallback
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
      left join pg_collation l on l.oid = a.attcollation
    where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
    order by c.relname collate "C", a.attnum`
}

/** Not-null constraints are with the columns: since PostgreSQL 18 they are in this catalogue too. */
async function readConstraints({ sql }: Reads): Promise<Named[]> {
  return sql<Named[]>`
    select c.relname as "table", k.conname as name, pg_get_constraintdef(k.oid) as definition
    from pg_constraint k join pg_class c on c.oid = k.conrelid
    where c.relnamespace = 'public'::regnamespace and k.contype <> 'n'
    order by c.relname collate "C", k.contype desc, k.conname collate "C"`
}

async function readIndexes({ sql }: Reads): Promise<Named[]> {
  return sql<Named[]>`
    select c.relname as "table", i.relname as name, replace(pg_get_indexdef(i.oid), ' public.', ' ') as definition
    from pg_index x join pg_class i on i.oid = x.indexrelid join pg_class c on c.oid = x.indrelid
    where c.relnamespace = 'public'::regnamespace and not exists (select from pg_constraint k where k.conindid = i.oid)
    order by c.relname collate "C", i.relname collate "C"`
}

async function readSequences({ sql }: Reads): Promise<string[]> {
  const rows = await sql<{ name: string; step: string }[]>`
    select c.relname as name, s.seqincrement::text as step
    from pg_sequence s join pg_class c on c.oid = s.seqrelid
    where c.relnamespace = 'public'::regnamespace order by c.relname collate "C"`
  return rows.map(({ name, step }) => `create sequence ${name} increment by ${step};\n`)
}

async function readFunctions({ sql }: Reads): Promise<string[]> {
  const rows = await sql<{ definition: string }[]>`
    select replace(pg_get_functiondef(p.oid), ' public.', ' ') as definition
    from pg_proc p where p.pronamespace = 'public'::regnamespace order by p.proname collate "C", p.oid`
  return rows.map(({ definition }) => `${definition.trimEnd()};\n`)
}
