/** Why a NATS server did not take us, and what an operator can do about it. */

const remedies: readonly (readonly [pattern: RegExp, remedy: string])[] = [
  [
    /authori[sz]ation|authentication/i,
    'the server does not know this user with this password; NATS_URL must name a user of nats.conf',
  ],
  [
    /certificate has expired|CERT_HAS_EXPIRED/i,
    "the server's certificate has expired; give it a new one and reload it",
  ],
  [
    /altnames|ALTNAME/i,
    'the certificate is not for this address; name the server in NATS_URL as its certificate does',
  ],
  [
    /certificate|self.signed|unable to (?:get|verify)/i,
    'set TROUPE_NATS_CA to the file of the authority that has signed it',
  ],
  [
    /does not support 'tls'/i,
    'tls:// in NATS_URL and TROUPE_NATS_CA demand it; give the server a certificate, or write nats://',
  ],
  [/ECONNREFUSED|ENOTFOUND|EHOSTUNREACH/, 'start nats-server there, or correct the address'],
]

/** The error's own words with the remedy, if one is known. */
export function natsRefusal(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  const words = `${text} ${error instanceof Error && 'code' in error ? String(error.code) : ''}`
  const remedy = remedies.find(([pattern]) => pattern.test(words))?.[1]
  return remedy === undefined ? text : `${text}: ${remedy}`
}
