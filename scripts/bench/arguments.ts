import { parseArgs } from 'node:util'
import { fullScale, type Group, groups, quickScale, type Scale, syncGroups } from './line.ts'

export interface BenchArguments {
  readonly help: boolean
  readonly scale: Scale
  readonly groups: readonly Group[]
  /** Only lines whose name holds this. */
  readonly only: string
  /** Where the figures go as JSON. */
  readonly json?: string
  /** Folder for a CPU profile of this registry. */
  readonly profile?: string
}

export const usage = `npm run bench -- [options] [group...]

Measures this registry beside docker-registry (Debian's), and beside distribution 3.x (registry) and zot where they are
on the PATH; group proxy: the API proxy beside nginx, by curl and wrk. Medians of interleaved rounds, and their
ratios. Groups: ${groups.join(', ')}; all where none is named.
'sync' stands for all that begin so.

  --quick            one small round
  --only TEXT        of the first table only lines whose name holds it
  --rounds N         rounds (default ${fullScale.rounds})
  --within SECONDS   no round begins after that (default ${fullScale.withinMs / 1000})
  --json FILE        the figures as JSON
  --profile FOLDER   a CPU profile of this registry
`

/** Throws an Error that says which option is wrong. */
export function readArguments(given: readonly string[]): BenchArguments {
  const { values, positionals } = parseArgs({
    args: [...given],
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      quick: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      rounds: { type: 'string' },
      within: { type: 'string' },
      json: { type: 'string' },
      profile: { type: 'string' }
    }
  })
  const named = positionals.flatMap((name) => (name === 'sync' ? syncGroups : [name]))
  const unknown = named.find((name) => !isGroup(name))
  if (unknown !== undefined) throw new Error(`${unknown} is no group; there are ${groups.join(', ')}`)
  const scale = values.quick ? quickScale : fullScale
  return {
    help: values.help,
    scale: {
      ...scale,
      rounds: values.rounds === undefined ? scale.rounds : wholeNumber('--rounds', values.rounds),
      withinMs: values.within === undefined ? scale.withinMs : wholeNumber('--within', values.within) * 1000
    },
    groups: named.length > 0 ? named.filter(isGroup) : groups,
    only: values.only,
    json: values.json,
    profile: values.profile
  }
}

function isGroup(name: string): name is Group {
  return groups.some((group) => group === name)
}

function wholeNumber(option: string, text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new Error(`${option} ${text}: must be a whole number from 1 on`)
  return Number(text)
}
