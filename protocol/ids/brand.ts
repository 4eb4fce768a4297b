// Identifiers are strings at run time and distinct types for the checker: a UserId cannot be passed for a RoomId.

declare const brand: unique symbol

/** A string that has been checked to be an identifier of the named kind. */
export type Brand<Name extends string> = string & { readonly [brand]: Name }
