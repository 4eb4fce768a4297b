/**
 * Cross-origin headers. Every answer carries them, errors too, and every path answers OPTIONS.
 * Client-server API v1.19, "Web Browser Clients".
 */

/** Name and value after each other, as `writeHead` takes them without making an object. */
export const corsHeaders: readonly string[] = [
  'access-control-allow-origin',
  '*',
  'access-control-allow-methods',
  'GET, POST, PUT, DELETE, OPTIONS',
  'access-control-allow-headers',
  'X-Requested-With, Content-Type, Authorization',
  'access-control-expose-headers',
  'Retry-After',
]

/** For OPTIONS: the same, and how many seconds a browser may remember them. */
export const preflightHeaders: readonly string[] = [
  ...corsHeaders,
  'access-control-max-age',
  '86400',
  'content-length',
  '0',
]
