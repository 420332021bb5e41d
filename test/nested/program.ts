import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** What a program does when it is asked; arguments and answers are copied between the processes. */
// biome-ignore lint/suspicious/noExplicitAny: the parameters of each are its own
type Commands = Readonly<Record<string, (...parameters: any[]) => Promise<unknown>>>

export type Program<C> = C & {
  /** Ends it, as its own `close` says. */
  end(): Promise<void>
}

interface Question {
  readonly id: number
  readonly name: string
  readonly parameters: readonly unknown[]
}

interface Reply {
  readonly id: number
  readonly value?: unknown
  readonly failure?: string
}

export interface ProgramOptions {
  /** Left out: it runs where this process does. */
  readonly namespace?: string
  readonly environment?: Readonly<Record<string, string>>
}

/** Starts a program of the tests in a network namespace. Its `serve` names the commands; a failure there is one here. */
export function startProgram<C>(main: URL, { namespace, environment = {} }: ProgramOptions = {}): Program<C> {
  const inside = namespace && { execPath: 'ip', execArgv: ['netns', 'exec', namespace, process.execPath] }
  const child = fork(fileURLToPath(main), [], {
    ...inside,
    serialization: 'advanced',
    env: { ...process.env, ...environment }
  })
  const open = new Map<number, PromiseWithResolvers<unknown>>()
  const ended = once(child, 'exit').then(([code, signal]) => {
    for (const { reject } of open.values()) reject(new Error(`${main.pathname} ended with ${code ?? signal}`))
  })
  let last = 0
  child.on('message', (message) => {
    const { id, value, failure } = message as Reply
    const question = open.get(id)
    open.delete(id)
    if (failure === undefined) question?.resolve(value)
    else question?.reject(new Error(failure))
  })

  async function ask(name: string, parameters: readonly unknown[]): Promise<unknown> {
    const id = ++last
    const answer = Promise.withResolvers<unknown>()
    open.set(id, answer)
    const question: Question = { id, name, parameters }
    child.send(question, (error) => error && answer.reject(error))
    return answer.promise
  }

  async function end(): Promise<void> {
    if (child.connected) child.disconnect()
    await ended
  }

  // A promise asks whatever it resolves with for its `then`.
  return new Proxy({} as Program<C>, {
    get: (own, name) => {
      if (name === 'end') return end
      if (name in own) return Reflect.get(own, name)
      if (typeof name === 'string' && name !== 'then') return (...parameters: unknown[]) => ask(name, parameters)
    }
  })
}

/** The other side. `close` is called when nobody asks any more, also where the asking process was killed. */
export function serve(commands: Commands, close: () => Promise<void>): void {
  process.on('message', async (message) => {
    const { id, name, parameters } = message as Question
    try {
      reply({ id, value: await commands[name]!(...parameters) })
    } catch (error) {
      reply({ id, failure: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    }
  })
  process.once('disconnect', async () => {
    await close()
    process.exit()
  })
}

function reply(answer: Reply): void {
  if (process.connected) process.send?.(answer)
}
