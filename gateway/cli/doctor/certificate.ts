/** Until when certificates are valid. Whether they are trusted is found out by whoever uses them. */

import { readFile } from 'node:fs/promises'
import { X509Certificate } from 'node:crypto'
import { createConnection, isIP, type Socket } from 'node:net'
import { connect } from 'node:tls'
import { problem, warning, well, type Finding } from './finding.ts'

const dayMs = 86_400_000
const renewBeforeDays = 14

interface Certificate {
  /** Whose it is, in words. */
  readonly of: string
  /** Epoch milliseconds. */
  readonly endMs: number
  readonly remedy: string
}

/** Well, a warning when it ends in less than fourteen days, a problem when it has ended. */
export function validityFinding(area: string, { of, endMs, remedy }: Certificate, nowMs: number): Finding {
  const days = Math.floor((endMs - nowMs) / dayMs)
  if (days < 0) return problem(area, `that of ${of} expired ${-days} days ago`, remedy)
  if (days < renewBeforeDays) return warning(area, `that of ${of} expires in ${days} days`, remedy)
  return well(area, `that of ${of} is valid for ${days} days`)
}

/** When the certificate in a PEM file ends, epoch milliseconds. Throws where there is none. */
export async function endOfFile(path: string): Promise<number> {
  return Date.parse(new X509Certificate(await readFile(path)).validTo)
}

export interface Served {
  readonly host: string
  readonly port: number
  /** Resolves when TLS may begin on the connection; absent: at once. */
  readonly before?: (socket: Socket) => Promise<unknown>
  readonly limitMs: number
}

/** When the certificate that a server shows ends, epoch milliseconds. Rejects when there is none in the time given. */
export async function endOfServed({ host, port, before, limitMs }: Served): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const socket = createConnection({ host, port })
  socket.setTimeout(limitMs, () => reject(new Error(`no answer in ${limitMs} ms`)))
  socket.on('error', reject)
  const handshake = async (): Promise<void> => {
    await before?.(socket)
    const name = isIP(host) === 0 ? { servername: host } : {}
    const secure = connect({ socket, rejectUnauthorized: false, ...name }, () =>
      resolve(Date.parse(secure.getPeerCertificate().valid_to)),
    )
    secure.on('error', reject)
  }
  handshake().catch(reject)
  return promise.finally(() => socket.destroy())
}
