import { parseArgs } from 'node:util'
import type { WorldPorts } from '../test/simulators/world.ts'

export interface SimulationArguments {
  readonly help: boolean
  /** Forget what an earlier simulation left. */
  readonly fresh: boolean
  readonly ports: WorldPorts
  /** A connection string to a real parent, in place of the simulated cloud. */
  readonly parent?: string
  readonly repositories: readonly string[]
}

export const usage = `npm start -- [options]

Simulates a cloud registry and an IoT Edge device on this machine and runs the two modules against them.

  --fresh                     start with an empty device
  --port-base N               use the ports N to N+4 (default: 5000, 5001, 8080, 8000, 8883)
  --parent CONNECTION_STRING  take a real parent instead of the simulated cloud; needs --repositories
  --repositories A,B          what to keep in sync, as repository names or prefix/*
`

const defaultPorts: WorldPorts = { cloud: 5000, cloudData: 5001, registry: 8080, proxy: 8000, hub: 8883 }
const demoRepositories = ['hello-world', 'demo/app', 'demo/large']

/** Throws an Error that says which option is wrong. */
export function readArguments(arguments_: readonly string[]): SimulationArguments {
  const { values } = parseArgs({
    args: [...arguments_],
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      fresh: { type: 'boolean', default: false },
      'port-base': { type: 'string' },
      parent: { type: 'string' },
      repositories: { type: 'string' }
    }
  })
  const repositories = values.repositories?.split(',').filter((name) => name !== '')
  if (values.parent !== undefined && !repositories?.length) throw new Error('--parent needs --repositories A,B')
  return {
    help: values.help,
    fresh: values.fresh,
    ports: values['port-base'] === undefined ? defaultPorts : portsFrom(values['port-base']),
    parent: values.parent,
    repositories: repositories ?? demoRepositories
  }
}

function portsFrom(text: string): WorldPorts {
  const base = Number(text)
  if (!Number.isInteger(base) || base < 1024 || base > 65_530) {
    throw new Error(`--port-base ${text}: must be a whole number from 1024 to 65530`)
  }
  return { cloud: base, cloudData: base + 1, registry: base + 2, proxy: base + 3, hub: base + 4 }
}
