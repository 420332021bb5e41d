import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { skipWithout } from '../fixtures/tools.ts'

/** One way into a site, as a client is pointed at it. */
export interface Door {
  readonly name: 'the door' | 'the registry itself'
  /** `127.0.0.1:8000` */
  readonly host: string
  /** HTTP and nothing more. */
  readonly isPlain: boolean
}

export interface User {
  readonly name: string
  readonly password: string
}

/** A real client with a folder of its own. References are `repository:tag`; a failure carries what the client printed. */
export interface Client {
  /** What it learns here counts for this door until the next login. */
  login(door: Door, user: User): Promise<unknown>
  /** Brings an image into what the client keeps. */
  pull(door: Door, reference: string): Promise<unknown>
  /** Pushes what it pulled as `from` under another name. */
  push(door: Door, from: string, to: string): Promise<unknown>
  stop?(): Promise<void>
}

/** What a client needs to know of the site. */
export interface Surroundings {
  /** Empty, and its own. */
  readonly folder: string
  /** PEM file of the authority that the door's certificate is from. */
  readonly caFile: string
}

/** How a kind of client is made ready, and what it needs on the machine. */
export interface ClientKind {
  readonly name: string
  readonly tools: readonly string[]
  /** Engines do. */
  readonly needsRoot?: boolean
  /** Whether what it pushes is, byte for byte, what it pulled: all platforms, and no manifest written anew. */
  readonly keepsBytes: boolean
  /** What it shows of a refusal, where it does not pass on the registry's words. */
  readonly refusal?: RegExp
  open(surroundings: Surroundings): Promise<Client>
}

/** Why there is no such client here, or false. */
export function skipClient({ name, tools, needsRoot = false }: ClientKind): string | false {
  if (needsRoot && process.getuid?.() !== 0) return `${name} needs root`
  return skipWithout(tools)
}

export class CommandError extends Error {
  override readonly name = 'CommandError'
}

/** How most clients name an image at a door. */
export function at(door: Door, reference: string): string {
  return `${door.host}/${reference}`
}

/** A tag of its own for what a reference names, where a client keeps all in one place. */
export function tagFor(reference: string): string {
  return reference.replaceAll(/[^\w.]+/g, '-')
}

const timeoutMs = 60_000
const outputLimit = 16 << 20

export type Run = (words: readonly string[], input?: string) => Promise<string>

/** A program in an environment of its own. Resolves to what it printed there, throws CommandError with all that it printed. */
export function createRun(
  program: string,
  env: Readonly<Record<string, string>> = {},
  stream: 'stdout' | 'stderr' = 'stdout'
): Run {
  return async (words, input = '') => (await run(program, words, { env, input }))[stream]
}

async function run(
  program: string,
  words: readonly string[],
  { env, input }: { readonly env: Readonly<Record<string, string>>; readonly input: string }
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const running = promisify(execFile)(program, words, {
    env: { ...process.env, ...env },
    timeout: timeoutMs,
    maxBuffer: outputLimit
  })
  running.child.stdin?.on('error', () => {}) // A program that reads nothing and has ended: its exit code says it all.
  running.child.stdin?.end(input)
  try {
    return await running
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { readonly stdout?: string; readonly stderr?: string }
    throw new CommandError(`${program} ${words[0]}: ${stderr}${stdout}`, { cause: error })
  }
}
