import { serve } from './program.ts'
import { createLine, type LineOptions, openRelay, type Relay } from './relay.ts'

// The link between two places: a process in a namespace of its own, the only way from the one to the other.

export type LinkOptions = LineOptions

interface LinkRoute extends LinkOptions {
  readonly from: string
  readonly to: string
  readonly ports: readonly number[]
}

export interface LinkCommands {
  start(route: LinkRoute): Promise<void>
  /** Bytes so far, all ports together. */
  traffic(): Promise<{ readonly up: number; readonly down: number }>
}

const relays: Relay[] = []

const commands: LinkCommands = {
  async start({ from, to, ports, ...options }) {
    const lines = { up: createLine(options), down: createLine(options) }
    for (const port of ports) {
      const ends = { from: { host: from, port }, to: { host: to, port } }
      relays.push(await openRelay({ ...ends, ...lines, ...(options.delayMs && { delayMs: options.delayMs }) }))
    }
  },
  async traffic() {
    const sum = (way: 'up' | 'down') => relays.reduce((total, { traffic }) => total + traffic[way], 0)
    return { up: sum('up'), down: sum('down') }
  }
}

serve({ ...commands }, async () => {
  await Promise.all(relays.map((relay) => relay.close()))
})
