import { readFileSync } from 'node:fs'

/** The version of this program, from its package.json. */
export function programVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  // The cast is sound: the file is part of the program and has a version.
  return (JSON.parse(text) as { readonly version: string }).version
}
