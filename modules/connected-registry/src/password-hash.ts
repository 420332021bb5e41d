import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { hashPassword } from './access/passwords.ts'

export interface PasswordInput extends AsyncIterable<Uint8Array> {
  /** A person types: the password is asked for twice, and not shown. */
  readonly isTTY?: boolean
}

export interface PasswordHashOptions {
  /** Must be empty: what stands there is seen by everybody who may list processes. */
  readonly arguments: readonly string[]
  readonly input: PasswordInput & NodeJS.ReadableStream
  /** To the person, never into a pipe. */
  readonly prompt: (text: string) => void
  readonly signal: AbortSignal
}

const limitBytes = 1024
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The hash of a password from the standard input, in the form that a twin takes. Throws where it is no usable password. */
export async function passwordHash(options: PasswordHashOptions): Promise<string> {
  if (options.arguments.length > 0) {
    throw new Error('the password is read from the standard input; as an argument everybody could see it')
  }
  const password = options.input.isTTY ? await askTwice(options) : await readLine(options.input)
  const problem = problemOf(password)
  if (problem) throw new Error(`the password ${problem}`)
  return hashPassword(password)
}

function problemOf(password: string): string | undefined {
  if (password === '') return 'is empty'
  if (Buffer.byteLength(password) > limitBytes) return `is longer than ${limitBytes} bytes`
  // No client could send it: neither RFC 7617 nor a prompt lets one through.
  return /\p{Cc}/u.test(password) ? 'holds a control character, maybe a second line' : undefined
}

async function readLine(input: AsyncIterable<Uint8Array | string>): Promise<string> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of input) {
    parts.push(Buffer.from(part as Uint8Array))
    size += part.length
    if (size > limitBytes + 2) throw new Error(`the password is longer than ${limitBytes} bytes`)
  }
  return decode(Buffer.concat(parts)).replace(/\r?\n$/, '')
}

function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    // The cause is left out: it could quote the password.
    throw new Error('the password is not UTF-8')
  }
}

async function askTwice({ input, prompt, signal }: PasswordHashOptions): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const terminal = createInterface({ input, output: nowhere, terminal: true })
  try {
    const ask = async (what: string) => {
      prompt(what)
      const answer = await terminal.question('', { signal })
      prompt('\n')
      return answer
    }
    const password = await ask('password: ')
    if (password !== (await ask('again: '))) throw new Error('the password was typed in two ways')
    return password
  } finally {
    terminal.close()
  }
}
