/** Rule C10: processes live, say nothing of a fault that nobody handled, and hold no more than they did. Read from /proc. */

import { readdir, readFile } from 'node:fs/promises'
import type { TroupeProcess } from '../support/process.ts'

export interface Vitals {
  /** Open files, but for the connections of clients, who keep them as long as they like. */
  readonly files: number
  /** Resident memory, bytes. */
  readonly memory: number
}

/** What a process says when it has not handled an error. */
const faultWords = /UnhandledPromiseRejection|unhandledRejection|Uncaught|the process ends by a fault/

/** How much more than at the beginning a process may hold after a storm: connections that are about to end, caches that are full … */
const moreFiles = 24
const moreMemory = 120 * 2 ** 20
/** … and for each person his activation, what of his rooms is followed, and what has been read for him. Bytes. */
const memoryPerPerson = 4 * 2 ** 20

/** Whether there is such a process. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** What a process holds; undefined where it does not live, or where there is no /proc. */
export async function vitalsOf({ pid, url }: TroupeProcess): Promise<Vitals | undefined> {
  const all = await vitalsOfPid(pid)
  const clients = await connectionsTo(Number(new URL(url).port)).catch(() => 0)
  return all && { ...all, files: all.files - clients }
}

/** The same of any process; the connections of its clients are among the files. */
export async function vitalsOfPid(pid: number): Promise<Vitals | undefined> {
  try {
    const files = (await readdir(`/proc/${pid}/fd`)).length
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    return { files, memory: 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) }
  } catch {
    return undefined
  }
}

/** Connections that somebody has to a port of this machine, seen from the server's side. */
async function connectionsTo(port: number): Promise<number> {
  const local = new RegExp(
    `^\\s*\\d+: [0-9A-F]{8}:${port.toString(16).toUpperCase().padStart(4, '0')} [^ ]+ (01|08) `,
  )
  const table = await readFile('/proc/net/tcp', 'utf8')
  return table.split('\n').filter((line) => local.test(line)).length
}

/** What is wrong with what processes have printed. */
export function faultsPrinted(processes: readonly TroupeProcess[]): string[] {
  return processes.flatMap((process) =>
    process
      .output()
      .split('\n')
      .filter((line) => faultWords.test(line))
      .map((line) => `C10 ${process.hostName} said: ${line.slice(0, 400)}`),
  )
}

/** What is wrong with processes that must live and serve so many people, by what such a process holds when it has done nothing yet. */
export async function faultsOfLiving(
  living: readonly TroupeProcess[],
  { fresh, people }: { readonly fresh: Vitals; readonly people: number },
): Promise<string[]> {
  const found = await Promise.all(
    living.map(async (process) => {
      const { hostName } = process
      const now = await vitalsOf(process)
      if (now === undefined) return [`C10 ${hostName} does not live any more`]
      const findings = []
      if (now.files > fresh.files + moreFiles)
        findings.push(`C10 ${hostName} holds ${now.files} files, ${fresh.files} at the beginning`)
      if (now.memory > fresh.memory + moreMemory + people * memoryPerPerson)
        findings.push(
          `C10 ${hostName} holds ${megabytes(now.memory)}, ${megabytes(fresh.memory)} at the beginning`,
        )
      return findings
    }),
  )
  return found.flat()
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MB`
}
