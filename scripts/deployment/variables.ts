export type Variables = Readonly<Record<string, string | undefined>>

export interface Expansion {
  readonly text: string
  /** Variables without a value; they stand in the text as they were written. */
  readonly unset: readonly string[]
}

/** Words of the runtime, not of whoever deploys: the agent and the modules give them a meaning on the device. */
const runtimes = /^(edgeHub|edgeAgent|upstream|IOTEDGE_\w+)$/

/**
 * `$NAME` and `${NAME}` by their values, which are not looked at again: a password hash is full of `$`.
 * The runtime's own names stay.
 */
export function expandVariables(text: string, variables: Variables): Expansion {
  const unset: string[] = []
  const expanded = text.replace(/\$(?:\{(\w+)\}|(\w+))/g, (written, braced?: string, plain?: string) => {
    const name = braced ?? plain ?? ''
    if (runtimes.test(name)) return written
    const value = Object.hasOwn(variables, name) ? variables[name] : undefined
    if (value === undefined) unset.push(name)
    return value ?? written
  })
  return { text: expanded, unset }
}
