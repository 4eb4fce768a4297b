/**
 * A bot as its author would write it, in a process of its own: joins where it is invited and answers `!ping X` with `pong X`.
 * `node ping-bot.ts URL TOKEN FILE`; the file keeps its sync token. Prints "ready" when it syncs.
 */

import './without-native-crypto.ts'
import type * as Library from 'matrix-bot-sdk'
import { createRequire } from 'node:module'

// The library is loaded after the hook above, which an import declaration of CommonJS does not wait for.
const library = createRequire(import.meta.url)('matrix-bot-sdk') as typeof Library
const { AutojoinRoomsMixin, LogLevel, LogService, MatrixClient, SimpleFsStorageProvider } = library

const [url = '', token = '', file = ''] = process.argv.slice(2)
LogService.setLevel(LogLevel.WARN)
const client = new MatrixClient(url, token, new SimpleFsStorageProvider(file))
AutojoinRoomsMixin.setupOnClient(client)
const me = await client.getUserId()

interface Message {
  readonly sender: string
  readonly content?: { readonly body?: unknown }
}

client.on('room.message', (roomId: string, event: Message) => {
  const body = event.content?.body
  if (event.sender === me || typeof body !== 'string' || !body.startsWith('!ping ')) return
  client.sendText(roomId, `pong ${body.slice('!ping '.length)}`).catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`)
    process.exitCode = 1
  })
})

await client.start()
process.stdout.write('ready\n')
