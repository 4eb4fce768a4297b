/** Seeds shared out to processes: each takes a piece, runs it, and ends; whoever is done takes the next piece. */

import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'

export type SharedOutcome =
  | { readonly kind: 'held'; readonly steps: number }
  /** The run itself is not handed over: the seed is the run. */
  | { readonly kind: 'failed'; readonly seed: number; readonly run?: undefined }
  /** A process ended without a verdict. */
  | { readonly kind: 'broken'; readonly output: string }

export interface Sharing {
  readonly workers: number
  /** Seeds of one piece, at most. */
  readonly pieceSeeds: number
  /** Called after each piece with how many seeds have held so far, and the last one of the piece. */
  readonly onProgress: (count: number, upTo: number) => void
}

const hooks = join(import.meta.dirname, 'hooks.ts')
const command = join(import.meta.dirname, 'main.ts')

/** Runs seeds until one fails; then those under way are ended. */
export async function runInWorkers(seeds: readonly number[], sharing: Sharing): Promise<SharedOutcome> {
  const pieces = piecesOf(seeds, sharing.pieceSeeds)
  const running = new Set<ChildProcess>()
  let failure: SharedOutcome | undefined
  let steps = 0
  let count = 0
  const work = async (): Promise<void> => {
    for (let piece = pieces.shift(); piece !== undefined; piece = pieces.shift()) {
      const outcome = await runPiece(piece, running)
      if (failure !== undefined) return
      if (outcome.kind !== 'held') {
        failure = outcome
        pieces.length = 0
        for (const child of running) child.kill()
        return
      }
      steps += outcome.steps
      count += piece.length
      sharing.onProgress(count, piece.at(-1) ?? 0)
    }
  }
  await Promise.all(Array.from({ length: Math.min(sharing.workers, pieces.length) }, work))
  return failure ?? { kind: 'held', steps }
}

/** Seeds that follow each other, so that a piece is named by two numbers. */
function piecesOf(seeds: readonly number[], size: number): number[][] {
  const pieces: number[][] = []
  for (const seed of seeds) {
    const last = pieces.at(-1)
    if (last !== undefined && last.length < size && last.at(-1) === seed - 1) last.push(seed)
    else pieces.push([seed])
  }
  return pieces
}

function runPiece(piece: readonly number[], running: Set<ChildProcess>): Promise<SharedOutcome> {
  const { promise, resolve, reject } = Promise.withResolvers<SharedOutcome>()
  const range = ['--from', String(piece[0]), '--seeds', String(piece.length)]
  const args = ['--import', hooks, command, '--brief', '--piece', ...range]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  let output = ''
  child.stdout.on('data', (data: Buffer) => (output += data.toString()))
  child.stderr.on('data', (data: Buffer) => (output += data.toString()))
  child.on('error', reject)
  child.on('close', () => {
    running.delete(child)
    resolve(verdictOf(output))
  })
  return promise
}

function verdictOf(output: string): SharedOutcome {
  const held = /^\d+ seeds hold, (\d+) steps/m.exec(output)
  if (held !== null) return { kind: 'held', steps: Number(held[1]) }
  const failed = /^seed (\d+) fails:/m.exec(output)
  return failed === null ? { kind: 'broken', output } : { kind: 'failed', seed: Number(failed[1]) }
}
