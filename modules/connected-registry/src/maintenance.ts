import { existsSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { fsck } from './integrity/fsck.ts'
import { fsckText, sizeText } from './integrity/fsck-text.ts'
import { type ScrubReport, scrub } from './integrity/scrub.ts'
import { type PasswordHashOptions, passwordHash } from './password-hash.ts'
import { readSize } from './sizes.ts'
import { storePaths } from './storage/layout.ts'
import { StoreError } from './storage/store-error.ts'
import { openStore } from './store.ts'

/** Commands for a person: in front of a store that no registry works on, or of a twin that wants a hash. */
export interface MaintenanceOptions extends PasswordHashOptions {
  /** Where the store is when the arguments do not say it. */
  readonly dataVolume: string
  readonly print: (text: string) => void
}

/** Exit codes: nothing wrong, something is, the work could not be done. */
const exitCodes = { clean: 0, problems: 1, failed: 2 } as const
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

const usage = `usage:
  fsck [<data folder>] [--content] [--while-in-use] [--json]   examines a store and changes nothing
  scrub [<data folder>] [--rate <bytes a second, such as 20MiB>] [--json]
                                                    reads all content and sets aside what is damaged
  password-hash                                     makes the hash of a password, for a twin or a settings file
exit code: 0 nothing is wrong, 1 something is, 2 it could not be done
`

const commands: Readonly<Record<string, (options: MaintenanceOptions) => Promise<ExitCode>>> = {
  fsck: runFsck,
  scrub: runScrub,
  'password-hash': async (options) => {
    options.print(`${await passwordHash(options)}\n`)
    return exitCodes.clean
  },
  help: async ({ print }) => {
    print(usage)
    return exitCodes.clean
  }
}

/** Carries out `fsck`, `scrub`, `password-hash` or `help`; any other name gets the usage. Failures are explained, not thrown. */
export async function maintain(name: string, options: MaintenanceOptions): Promise<ExitCode> {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command) return command(options).catch((error: unknown) => explainFailure(error, options))
  options.print(`${name}: no such command\n${usage}`)
  return exitCodes.failed
}

async function runFsck({ arguments: args, dataVolume, print }: MaintenanceOptions): Promise<ExitCode> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { content: { type: 'boolean' }, 'while-in-use': { type: 'boolean' }, json: { type: 'boolean' } },
    allowPositionals: true
  })
  const report = await fsck(positionals[0] ?? dataVolume, {
    content: values.content,
    whileInUse: values['while-in-use']
  })
  print(values.json ? `${JSON.stringify(report, null, 2)}\n` : fsckText(report))
  return report.problems.length > 0 ? exitCodes.problems : exitCodes.clean
}

async function runScrub({ arguments: args, dataVolume, print, signal }: MaintenanceOptions): Promise<ExitCode> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { rate: { type: 'string', default: '20MiB' }, json: { type: 'boolean' } },
    allowPositionals: true
  })
  const bytesPerSecond = readSize(values.rate)
  if (!bytesPerSecond) throw new Error(`--rate ${values.rate}: not a number of bytes`)
  const folder = positionals[0] ?? dataVolume
  const { records } = storePaths(folder)
  if (!existsSync(records)) throw new StoreError('there is no store', { code: 'ENOENT', path: records })
  const store = await openStore(folder)
  try {
    const pace = { bytesPerSecond, now: () => performance.now(), pause: wait }
    const report = await scrub({ ...store, pace }, signal)
    print(values.json ? `${JSON.stringify(report, null, 2)}\n` : scrubText(folder, report))
    return report.damage.length > 0 ? exitCodes.problems : exitCodes.clean
  } finally {
    await store.close()
  }
}

function scrubText(folder: string, { blobs, bytes, manifests, resumedAfter, damage }: ScrubReport): string {
  const lines = [
    `${folder}: ${damage.length === 0 ? 'clean' : `${damage.length} damaged`}`,
    `  read ${blobs} blobs (${sizeText(bytes)}), ${manifests} manifests`,
    ...(resumedAfter ? [`  went on after ${resumedAfter}, where the last run was cut`] : []),
    ...damage.map(({ digest, kind, reason }) => `  ${kind} ${digest}: ${reason}`),
    ...damageMeanings(damage)
  ]
  return `${lines.join('\n')}\n`
}

/** What each kind of damage that was found means for who looks after the store. */
function damageMeanings(damage: ScrubReport['damage']): readonly string[] {
  const kinds = new Set(damage.map(({ kind }) => kind))
  return [
    ...(kinds.has('QUARANTINED')
      ? ['  QUARANTINED: set aside and not served; the next round of sync brings it anew']
      : []),
    ...(kinds.has('MANIFEST')
      ? ['  MANIFEST: still there, clients refuse it; push the image again (fsck says more)']
      : [])
  ]
}

async function wait(milliseconds: number, signal: AbortSignal): Promise<void> {
  await pause(milliseconds, undefined, { signal })
}

function explainFailure(error: unknown, { print, signal }: MaintenanceOptions): ExitCode {
  if (signal.aborted) print('stopped; the next run goes on from here\n')
  else if (error instanceof StoreError) print(`${error.message} (${error.code})\n`)
  else print(`${error instanceof Error ? error.message : String(error)}\n${usage}`)
  return exitCodes.failed
}
