import type { IncomingMessage } from 'node:http'
import { limitedText } from './http-answer/limited-text.ts'

export type Scheme = 'http' | 'https'

export interface ProbeOptions {
  /** What the module listens on; undefined or a wildcard: every address. */
  readonly host: string | undefined
  readonly port: number
  /** What it speaks, the likeliest first. */
  readonly schemes: readonly Scheme[]
  readonly timeoutMs?: number
}

export interface Health {
  readonly isReady: boolean
  /** One line: what `GET /readyz` said, or why it said nothing. */
  readonly text: string
}

/** Asks a module on this very machine for `GET /readyz`. Never throws: who cannot be asked is not ready. */
export async function probe({ host, port, schemes, timeoutMs = 5_000 }: ProbeOptions): Promise<Health> {
  const failures: string[] = []
  for (const scheme of schemes) {
    try {
      return await ask(scheme, { host: addressOf(host), port, timeoutMs })
    } catch (error) {
      failures.push(`${scheme}: ${reasonOf(error as NodeJS.ErrnoException)}`)
    }
  }
  return { isReady: false, text: `port ${port} does not answer (${failures.join('; ')})` }
}

function addressOf(host: string | undefined): string {
  return host === undefined || host === '::' || host === '0.0.0.0' ? '127.0.0.1' : host
}

async function ask(
  scheme: Scheme,
  { host, port, timeoutMs }: { host: string; port: number; timeoutMs: number }
): Promise<Health> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  // The certificate is made out to the name that clients use, and nothing secret is sent or believed here.
  const target = { host, port, path: '/readyz', agent: false, signal: AbortSignal.timeout(timeoutMs) }
  const secure = { ...target, rejectUnauthorized: false }
  const outgoing = scheme === 'https' ? httpsOf().request(secure) : httpOf().request(target)
  outgoing.once('response', resolve).once('error', reject).end()
  const answer = await promise
  const text = await limitedText(answer.setEncoding('utf8'))
  return { isReady: answer.statusCode === 200, text: text.split('\n', 1)[0] ?? '' }
}

// Not by `import`: that asks the modules for all their names, and some of them load Node's own fetch, 10 MiB of it.
const httpOf = () => process.getBuiltinModule('node:http')
const httpsOf = () => process.getBuiltinModule('node:https')

// Where there are several addresses, the error of them all has a code and an empty message.
function reasonOf(error: NodeJS.ErrnoException): string {
  return error.name === 'AbortError' ? 'no answer in time' : (error.code ?? error.message)
}
