import { startOwnProgram } from './own-program.ts'

export const bare = 'bare server'

/** A Node server that does nothing but answer: what clients feel of it amid other work is the machine's. */
export interface BareServer {
  readonly port: number
  stop(): Promise<void>
}

export async function startBareServer(): Promise<BareServer> {
  const { told, stop } = startOwnProgram('bare-server.ts')
  return { port: (await told()) as number, stop }
}
