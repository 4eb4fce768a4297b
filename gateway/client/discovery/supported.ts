/**
 * What this server says that it can do. A version stands here when everything of it works that clients reach by the groups that
 * this server has; an unstable feature when its requests are answered under the name that the feature gives them.
 * Client-server API v1.19, "Specification Versions".
 */

/** Versions of the specification, ascending. */
export const supportedVersions: readonly string[] = [
  'v1.1',
  'v1.2',
  'v1.3',
  'v1.4',
  'v1.5',
  'v1.6',
  'v1.7',
  'v1.8',
  'v1.9',
  'v1.10',
  'v1.11',
  'v1.12',
  'v1.13',
]

/** Features of later versions, by the names under which clients look for them. */
export const unstableFeatures: Readonly<Record<string, boolean>> = {
  // Custom profile fields, by the stable requests of v1.16.
  'uk.tcpip.msc4133.stable': true,
}
