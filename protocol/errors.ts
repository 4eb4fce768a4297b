// The one table of Matrix error codes and the error that carries one of them from any layer to the edge.
// A layer throws MatrixError for what a client or another server can be told; every other thrown value is a
// fault of this server and becomes M_UNKNOWN with status 500 in the gateway's funnel.

/**
 * Every error code of the specification that a homeserver can send or receive, with the HTTP status it has
 * when nothing else is said and its meaning. Client-server API v1.19, "Standard error response" and the
 * endpoints' own codes.
 */
export const errorCodes = {
  M_APPSERVICE_LOGIN_UNSUPPORTED: {
    status: 400,
    meaning: 'Application services cannot log in on this server.',
  },
  M_BAD_ALIAS: { status: 400, meaning: 'An alias of the event does not point to the room.' },
  M_BAD_JSON: { status: 400, meaning: 'The request is JSON, but not of the form that is expected here.' },
  M_BAD_STATE: { status: 403, meaning: 'The change cannot be made in the present state.' },
  M_BAD_STATUS: { status: 502, meaning: 'The application service answered with an unexpected status.' },
  M_CANNOT_LEAVE_SERVER_NOTICE_ROOM: { status: 403, meaning: 'The room of server notices cannot be left.' },
  M_CANNOT_OVERWRITE_MEDIA: { status: 409, meaning: 'Content has already been uploaded for this media id.' },
  M_CAPTCHA_INVALID: { status: 400, meaning: 'The captcha was not solved.' },
  M_CAPTCHA_NEEDED: { status: 400, meaning: 'A captcha has to be solved first.' },
  M_CONNECTION_FAILED: { status: 502, meaning: 'The other end could not be reached.' },
  M_CONNECTION_TIMEOUT: { status: 504, meaning: 'The other end did not answer in time.' },
  M_DUPLICATE_ANNOTATION: { status: 400, meaning: 'The same user has reacted in the same way already.' },
  M_EXCLUSIVE: { status: 400, meaning: 'The name is reserved by an application service.' },
  M_FORBIDDEN: { status: 403, meaning: 'The request is understood and not allowed.' },
  M_GUEST_ACCESS_FORBIDDEN: { status: 403, meaning: 'The room does not admit guests.' },
  M_INCOMPATIBLE_ROOM_VERSION: { status: 400, meaning: "The other server does not know the room's version." },
  M_INVALID_PARAM: { status: 400, meaning: 'A parameter has a value that is not acceptable.' },
  M_INVALID_ROOM_STATE: { status: 400, meaning: 'The initial state does not make a valid room.' },
  M_INVALID_SIGNATURE: { status: 400, meaning: 'A signature is missing or wrong.' },
  M_INVALID_USERNAME: { status: 400, meaning: 'The user name is not valid.' },
  M_INVITE_BLOCKED: { status: 403, meaning: 'The recipient does not accept this invite.' },
  M_KEY_TOO_LARGE: { status: 400, meaning: "The profile field's name is too long." },
  M_LIMIT_EXCEEDED: { status: 429, meaning: 'Too many requests; retry later.' },
  M_MISSING_PARAM: { status: 400, meaning: 'A required parameter is missing.' },
  M_MISSING_TOKEN: { status: 401, meaning: 'The request bears no access token.' },
  M_NOT_FOUND: { status: 404, meaning: 'There is no such resource.' },
  M_NOT_JSON: { status: 400, meaning: 'The body is not valid JSON.' },
  M_NOT_YET_UPLOADED: { status: 504, meaning: 'The media id exists, but its content has not arrived yet.' },
  M_PROFILE_TOO_LARGE: { status: 400, meaning: 'The profile would exceed 64 KiB.' },
  M_RESOURCE_LIMIT_EXCEEDED: { status: 403, meaning: 'A limit set by the administrator has been reached.' },
  M_ROOM_IN_USE: { status: 400, meaning: 'The room alias is taken.' },
  M_SERVER_NOT_TRUSTED: { status: 403, meaning: 'The request names a server that is not trusted.' },
  M_SESSION_EXPIRED: { status: 400, meaning: 'The validation session has expired.' },
  M_SESSION_NOT_VALIDATED: { status: 400, meaning: 'The session has not been validated.' },
  M_TERMS_NOT_SIGNED: { status: 403, meaning: 'The terms of service have not been accepted.' },
  M_THREEPID_AUTH_FAILED: { status: 400, meaning: 'The third-party identifier could not be verified.' },
  M_THREEPID_DENIED: { status: 403, meaning: 'The third-party identifier is not allowed here.' },
  M_THREEPID_IN_USE: { status: 400, meaning: 'The third-party identifier belongs to another account.' },
  M_THREEPID_MEDIUM_NOT_SUPPORTED: { status: 400, meaning: 'This kind of identifier is not supported.' },
  M_THREEPID_NOT_FOUND: { status: 400, meaning: 'The third-party identifier is not known.' },
  M_TOO_LARGE: { status: 413, meaning: 'The request or an entity in it is too large.' },
  M_UNABLE_TO_AUTHORISE_JOIN: {
    status: 400,
    meaning: 'This server cannot tell whether the join is allowed.',
  },
  M_UNABLE_TO_GRANT_JOIN: { status: 400, meaning: 'No user of this server can authorise the join.' },
  M_UNAUTHORIZED: { status: 401, meaning: 'The request is not correctly authorised.' },
  M_UNKNOWN: { status: 500, meaning: 'Something went wrong that has no code of its own.' },
  M_UNKNOWN_DEVICE: { status: 400, meaning: 'The device does not exist.' },
  M_UNKNOWN_POS: { status: 400, meaning: 'The sliding-sync position is not known; start anew without one.' },
  M_UNKNOWN_TOKEN: { status: 401, meaning: 'The access or refresh token is not known.' },
  M_UNRECOGNIZED: { status: 404, meaning: 'The server does not know this request.' },
  M_UNSUPPORTED_ROOM_VERSION: { status: 400, meaning: 'This server does not support the room version.' },
  M_USER_DEACTIVATED: { status: 403, meaning: 'The account has been deactivated.' },
  M_USER_IN_USE: { status: 400, meaning: 'The user id is taken.' },
  M_USER_LIMIT_EXCEEDED: { status: 403, meaning: 'The account has reached a limit of its own.' },
  M_USER_LOCKED: { status: 401, meaning: 'The account is locked.' },
  M_USER_SUSPENDED: {
    status: 403,
    meaning: 'The account is suspended and may do only what it needs to recover.',
  },
  M_WEAK_PASSWORD: { status: 400, meaning: 'The password is too weak.' },
  M_WRONG_ROOM_KEYS_VERSION: { status: 403, meaning: 'The key backup has a newer version.' },
} as const

/** A code of the table. */
export type ErrorCode = keyof typeof errorCodes

/** What a caller may add to an error: another status, further fields of the JSON body, the cause. */
export interface MatrixErrorOptions {
  readonly status?: number
  readonly extra?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

/** The form in which an error crosses the bus. */
export interface WireError {
  readonly errcode: string
  readonly error: string
  readonly status: number
  readonly extra?: Readonly<Record<string, unknown>>
}

/** True for a string that is a code of the table. */
export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCodes, code)
}

/** A failure that the other side of a request may be told, with the code and the HTTP status that tell it. */
export class MatrixError extends Error {
  override readonly name = 'MatrixError'
  readonly errcode: ErrorCode
  readonly status: number
  readonly extra: Readonly<Record<string, unknown>> | undefined

  constructor(errcode: ErrorCode, message: string, options: MatrixErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.errcode = errcode
    this.status = options.status ?? errorCodes[errcode].status
    this.extra = options.extra
  }

  /** The JSON body of the HTTP response: `errcode`, `error`, and the further fields. */
  toWire(): { errcode: ErrorCode; error: string; [field: string]: unknown } {
    return { ...this.extra, errcode: this.errcode, error: this.message }
  }

  /** The error that another process reported; an unknown code becomes M_UNKNOWN and keeps its status. */
  static fromWire(wire: WireError): MatrixError {
    const code = isErrorCode(wire.errcode) ? wire.errcode : 'M_UNKNOWN'
    const options = wire.extra === undefined ? {} : { extra: wire.extra }
    return new MatrixError(code, wire.error, { status: wire.status, ...options })
  }
}
