#!/usr/bin/env node
// The program needs Node 26, which comes with it as the npm package `node`. Whatever older Node runs this file starts that one.
// Plain JavaScript, because the older ones do not run TypeScript.

import { spawn } from 'node:child_process'
import nodeModule, { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const neededMajor = 26
const main = fileURLToPath(new URL('./main.ts', import.meta.url))

/** The binary of the npm package `node`, wherever npm has put it. */
function bundledNode() {
  const manifest = createRequire(import.meta.url).resolve('node/package.json')
  return join(dirname(manifest), 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
}

/** Runs the program in the newer Node, as if it were this process: same terminal, same signals, same end. */
function runInBundledNode() {
  const child = spawn(bundledNode(), [main, ...process.argv.slice(2)], { stdio: 'inherit' })
  // Ctrl-C reaches the child by itself, since it shares the terminal; sent twice, it would end the child at once.
  process.on('SIGINT', () => {})
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => {
    process.stderr.write(`Node ${neededMajor} cannot be started (${error.message}). Run "npm ci" again.\n`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 1)
  })
}

/** As in main.ts, and before it, so that main.ts itself comes from the cache: then the compiler that strips types is not even loaded, 23 MB. */
async function runHere() {
  nodeModule.enableCompileCache(join(dirname(main), '..', 'node_modules', '.cache', 'troupe'))
  await import('./main.ts')
}

if (Number(process.versions.node.split('.')[0]) >= neededMajor) await runHere()
else runInBundledNode()
