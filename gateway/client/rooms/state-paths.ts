const forms = ['/state/:eventType/:stateKey', '/state/:eventType', '/state/:eventType/']

/** The paths of one state entry: an empty state key may be left out, with or without the slash before it. */
export const statePaths: readonly string[] = ['v3', 'r0'].flatMap((version) =>
  forms.map((form) => `/_matrix/client/${version}/rooms/:roomId${form}`),
)
