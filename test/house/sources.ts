/** The project's own sources, as the house tests look at them: path, text, imports, functions. */

import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'

export const root = join(import.meta.dirname, '..', '..')

export const folders = ['protocol', 'storage', 'actors', 'gateway', 'test'] as const

export type Folder = (typeof folders)[number]

export interface Source {
  /** Relative to the root, with forward slashes. */
  readonly path: string
  readonly folder: Folder
  readonly text: string
  readonly lines: readonly string[]
  readonly isTest: boolean
  readonly imports: readonly Import[]
}

export interface Import {
  /** As written. */
  readonly specifier: string
  readonly typeOnly: boolean
  /** The file it names, relative to the root; undefined for packages and node modules. */
  readonly file: string | undefined
  readonly line: number
}

const importPattern = /^(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?['"]([^'"]+)['"]/gm

function listFiles(directory: string): string[] {
  return readdirSync(join(root, directory)).flatMap((name) => {
    const path = `${directory}/${name}`
    if (name === 'node_modules') return []
    return statSync(join(root, path)).isDirectory() ? listFiles(path) : path.endsWith('.ts') ? [path] : []
  })
}

function importsOf(path: string, text: string): Import[] {
  return [...text.matchAll(importPattern)].map((match) => {
    const specifier = match[2] ?? ''
    const file = specifier.startsWith('#')
      ? specifier.slice(1)
      : specifier.startsWith('.')
        ? relative(root, normalize(join(root, dirname(path), specifier))).replaceAll('\\', '/')
        : undefined
    const line = text.slice(0, match.index).split('\n').length
    return { specifier, typeOnly: match[1] !== undefined, file, line }
  })
}

function load(): Source[] {
  return folders.flatMap((folder) =>
    listFiles(folder).map((path) => {
      const text = readFileSync(join(root, path), 'utf8')
      const isTest = path.endsWith('.test.ts') || folder === 'test'
      return { path, folder, text, lines: text.split('\n'), isTest, imports: importsOf(path, text) }
    }),
  )
}

let loaded: readonly Source[] | undefined

/** Every TypeScript source of the project, read once. */
export function sources(): readonly Source[] {
  loaded ??= load()
  return loaded
}

/** Blanks out comments, strings and template texts, keeping lines, so that a word in a sentence is not taken for code. */
export function codeOf(source: Source): string {
  return source.text.replace(
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g,
    (match) => match.replace(/[^\n]/g, ' '),
  )
}
