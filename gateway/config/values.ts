/**
 * Kinds of value that settings have. Each is a zod schema from the text that an operator writes to the value that the program
 * uses; its message is the remedy, in a form that follows "KEY=value: ".
 */

import { accessSync, constants } from 'node:fs'
import { BlockList, isIP } from 'node:net'
import { z } from 'zod'
import { isServerName, type ServerName } from '#protocol/ids/server-name.ts'

/** Where a listener binds. Port 0 asks the system for a free one. */
export interface ListenAddress {
  readonly host: string
  readonly port: number
}

const portLimit = 65_535

/** A Matrix server name. Appendices v1.19, "Server Name". */
export const serverName = z.custom<ServerName>(
  (value) => typeof value === 'string' && isServerName(value),
  'must be a host name, optionally with a port, such as example.org',
)

/** One `host:port`, with IPv6 in brackets. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]\s]+)):([0-9]{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host === undefined || port > portLimit) return undefined
  if (match?.[1] !== undefined && isIP(host) !== 6) return undefined
  return { host, port }
}

/** Comma-separated words without the empty ones. */
export function words(text: string): string[] {
  return text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')
}

/** Comma-separated listen addresses, at least one. */
export const listenAddresses = z.string().transform((text, context): readonly ListenAddress[] => {
  const parsed = words(text).map(parseListenAddress)
  const addresses = parsed.filter((address) => address !== undefined)
  if (addresses.length === 0 || addresses.length !== parsed.length) {
    context.addIssue({
      code: 'custom',
      message: 'must be host:port, several separated by commas, such as 127.0.0.1:8008 or [::1]:8008',
    })
  }
  return addresses
})

/** Comma-separated literals out of a set, at least one. */
export function wordsOutOf<const T extends string>(known: readonly T[]) {
  return z.string().transform((text, context): ReadonlySet<T> => {
    const given = words(text)
    const accepted = known.filter((word) => given.includes(word))
    if (accepted.length === 0 || given.some((word) => !known.some((other) => other === word))) {
      context.addIssue({
        code: 'custom',
        message: `must be one or more of ${known.join(', ')}, separated by commas`,
      })
    }
    return new Set(accepted)
  })
}

/** One literal out of a set. */
export function oneOf<const T extends string>(known: readonly [T, ...T[]]) {
  return z.enum(known, { error: `must be one of ${known.join(', ')}` })
}

/** `on` or `off`. */
export const onOff = z
  .enum(['on', 'off'], { error: 'must be on or off' })
  .transform((word): boolean => word === 'on')

/** A whole number within limits, in decimal digits. */
export function wholeNumber(min: number, max: number) {
  const message = `must be a whole number from ${min} to ${max}`
  return z
    .string()
    .regex(/^[0-9]{1,15}$/, message)
    .transform(Number)
    .refine((value) => value >= min && value <= max, message)
}

/** A number of bytes, with KiB, MiB or GiB if wished. */
export const byteSize = z.string().transform((text, context): number => {
  const match = /^([0-9]{1,12})\s*(KiB|MiB|GiB)?$/.exec(text)
  const unit = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 }[match?.[2] ?? ''] ?? 1
  const bytes = Number(match?.[1]) * unit
  if (!Number.isSafeInteger(bytes) || bytes < 1) {
    context.addIssue({ code: 'custom', message: 'must be a number of bytes, such as 1048576 or 50MiB' })
    return z.NEVER
  }
  return bytes
})

/** An absolute URL with one of the schemes, without a trailing slash. */
export function urlOf(...schemes: readonly [string, ...string[]]) {
  return z
    .string()
    .refine((text) => hasScheme(text, schemes), `must be a URL such as ${schemes[0]}://host.example.org`)
    .transform((text): string => text.replace(/\/+$/, ''))
}

/** Comma-separated URLs, at least one. */
export function urlsOf(...schemes: readonly [string, ...string[]]) {
  return z
    .string()
    .transform((text): readonly string[] => words(text))
    .refine(
      (urls) => urls.length > 0 && urls.every((url) => hasScheme(url, schemes)),
      `must be URLs with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}, separated by commas, such as ${schemes[0]}://host.example.org`,
    )
}

function hasScheme(text: string, schemes: readonly string[]): boolean {
  const url = URL.parse(text)
  return url !== null && schemes.includes(url.protocol.slice(0, -1))
}

/** Text that is not empty and has no line break. */
export const line = z.string().regex(/^[^\r\n]+$/, 'must be one line of text')

/** The path of a file that can be read now. */
export const readableFile = line.superRefine((path, context) => {
  try {
    accessSync(path, constants.R_OK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    context.addIssue(`must be the path of a file that this process can read (${code ?? 'it cannot'})`)
  }
})

/** Text of at least a number of characters that are hard to confuse: a secret for people to copy. */
export function secretOf(minLength: number) {
  return z
    .string()
    .regex(/^[A-Za-z0-9._~-]+$/, 'must consist of A-Z, a-z, 0-9 and ._~-')
    .min(minLength, `must have at least ${minLength} characters`)
    .max(64, 'must have at most 64 characters')
}

/** Comma-separated addresses and networks in CIDR notation, as a list that answers whether an address is in it. */
export const networks = z.string().transform((text, context): BlockList => {
  const list = new BlockList()
  for (const word of words(text)) {
    if (!addNetwork(list, word)) {
      context.addIssue({
        code: 'custom',
        message: 'must be addresses or networks separated by commas, such as 127.0.0.1,10.0.0.0/8',
      })
    }
  }
  return list
})

function addNetwork(list: BlockList, word: string): boolean {
  const [address = '', prefix] = word.split('/')
  const family = isIP(address)
  if (family === 0) return false
  const type = family === 4 ? 'ipv4' : 'ipv6'
  const longest = family === 4 ? 32 : 128
  if (prefix === undefined) {
    list.addAddress(address, type)
    return true
  }
  if (!/^[0-9]{1,3}$/.test(prefix) || Number(prefix) > longest) return false
  list.addSubnet(address, Number(prefix), type)
  return true
}
