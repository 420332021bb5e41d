import { setFlagsFromString } from 'node:v8'
import { nodeFlags } from './env.ts'

const compilers = ['maglev', 'turbofan'] as const
/** Flags of V8 that choose compilers. One that it was started without must not be switched on: after `--jitless` it crashes. */
const choosing = /--(no[-_]?)?(jitless|lite[-_]mode|opt|maglev|turbofan|disable[-_]optimizing[-_]compilers)\b/

/**
 * Loads what a module is made of, without V8's optimizing compilers. Hundreds of files make what Node looks for them with hot enough
 * for both, for this one time, and then their own pages stay in memory. What is hot later is compiled later. Where whoever started
 * Node has chosen compilers, that choice stays.
 */
export async function load<T>(importing: () => Promise<T>): Promise<T> {
  if (choosing.test(nodeFlags())) return importing()
  for (const compiler of compilers) setFlagsFromString(`--no-${compiler}`)
  try {
    return await importing()
  } finally {
    for (const compiler of compilers) setFlagsFromString(`--${compiler}`)
  }
}
