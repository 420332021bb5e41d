import { parseArgs } from 'node:util'
import type { WorldPorts } from '../../test/simulators/world.ts'

export interface SimulationArguments {
  readonly help: boolean
  /** Three layers below each other, in place of one device. */
  readonly isNested: boolean
  /** Forget what an earlier simulation left. */
  readonly fresh: boolean
  readonly ports: WorldPorts
  /** A connection string to a real parent, in place of the simulated cloud. */
  readonly parent?: string
  readonly repositories: readonly string[]
  /** The folder of the images that the modules run from, in place of the sources. */
  readonly images?: string
}

export const usage = `npm start -- [options]

Simulates a cloud registry and an IoT Edge device on this machine and runs the two modules against them.
'npm run simulate -- nested' simulates three devices, each below the other.

  --fresh                     start with an empty device
  --port-base N               use the ports N to N+4 (default: 5000, 5001, 8080, 8000, 8883),
                              nested to N+10
  --parent CONNECTION_STRING  take a real parent instead of the simulated cloud; needs --repositories
  --images FOLDER             run the modules from the images that 'npm run images' wrote
                              there; needs root, umoci and runc
  --repositories A,B          what to keep in sync, as repository names or prefix/*
`

const defaultPorts: WorldPorts = { cloud: 5000, cloudData: 5001, registry: 8080, proxy: 8000, hub: 8883 }
export const demoRepositories: readonly string[] = ['hello-world', 'demo/app', 'demo/large']

/** Throws an Error that says which option is wrong. */
export function readArguments(arguments_: readonly string[]): SimulationArguments {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    args: [...arguments_],
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      fresh: { type: 'boolean', default: false },
      'port-base': { type: 'string' },
      parent: { type: 'string' },
      repositories: { type: 'string' },
      images: { type: 'string' }
    }
  })
  const repositories = values.repositories?.split(',').filter((name) => name !== '')
  if (values.parent !== undefined && !repositories?.length) throw new Error('--parent needs --repositories A,B')
  return {
    help: values.help,
    isNested: isNested(positionals, values),
    fresh: values.fresh,
    ports: values['port-base'] === undefined ? defaultPorts : portsFrom(values['port-base']),
    parent: values.parent,
    repositories: repositories ?? demoRepositories,
    images: values.images
  }
}

function isNested(words: readonly string[], { parent, images }: { parent?: string; images?: string }): boolean {
  if (words.length === 0) return false
  if (words.length > 1 || words[0] !== 'nested')
    throw new Error(`${words.join(' ')}: the one word that is known is nested`)
  if (parent !== undefined) throw new Error('nested takes no --parent')
  if (images !== undefined) throw new Error('nested takes no --images')
  return true
}

function portsFrom(text: string): WorldPorts {
  const base = Number(text)
  if (!Number.isInteger(base) || base < 1024 || base > 65_524) {
    throw new Error(`--port-base ${text}: must be a whole number from 1024 to 65524`)
  }
  return { cloud: base, cloudData: base + 1, registry: base + 2, proxy: base + 3, hub: base + 4 }
}
