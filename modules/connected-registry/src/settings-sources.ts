import { unwatchFile, watchFile } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { Config } from './config.ts'
import { mergeSettings, parseSettings, type Settings, type SettingsResult } from './settings.ts'
import type { Json } from './storage/record-store.ts'

export type SourceName = 'environment' | 'file' | 'twin'

export interface SettingsProblem {
  readonly source: SourceName
  readonly problem: string
}

/**
 * The settings in force: environment, then file, then twin, later ones winning key by key. A document with a wrong value
 * is refused whole: what its source said before stays in force, and every problem is named until the source is right.
 */
export interface SettingsSources {
  readonly current: Settings
  readonly problems: readonly SettingsProblem[]
  /** The twin's `$version` in force; undefined: none yet. */
  readonly twinVersion?: number
  /** True when the document was taken. */
  takeTwin(desired: Readonly<Record<string, Json>>): boolean
  onChange(listener: () => void): void
  close(): void
}

const sources = ['environment', 'file', 'twin'] as const
const lookEveryMs = 2000

/** `lastTwin`: the last desired properties that were taken, so that a restart without any network comes up as it was. */
export async function openSettingsSources(
  config: Config,
  lastTwin: Readonly<Record<string, Json>>
): Promise<SettingsSources> {
  const taken: Partial<Record<SourceName, Partial<Settings>>> = {}
  const refused: Partial<Record<SourceName, readonly string[]>> = {}
  const listeners: (() => void)[] = []
  let current = mergeSettings([])
  let twinVersion: number | undefined
  let closed = false

  function take(source: SourceName, result: SettingsResult): boolean {
    if (result.kind === 'settings') taken[source] = result.settings
    refused[source] = result.kind === 'refused' ? result.problems : []
    current = mergeSettings(sources.map((name) => taken[name] ?? {}))
    for (const listener of listeners) listener()
    return result.kind === 'settings'
  }

  async function takeFile(path: string): Promise<void> {
    const result = await readDocument(path).then(
      (document) => parseSettings(document, config.environment),
      (error: Error): SettingsResult => ({ kind: 'refused', problems: [`${path}: ${error.message}`] })
    )
    if (!closed) take('file', result)
  }

  take('environment', parseSettings(config.settings, config.environment))
  if (config.settingsFile) await takeFile(config.settingsFile)
  if (Object.keys(lastTwin).length > 0) takeTwin(lastTwin)
  const stopWatching = config.settingsFile ? watchSettingsFile(config.settingsFile, takeFile) : () => {}

  function takeTwin(desired: Readonly<Record<string, Json>>): boolean {
    const isTaken = take('twin', parseSettings(desired, config.environment))
    if (isTaken && typeof desired.$version === 'number') twinVersion = desired.$version
    return isTaken
  }

  return {
    get current() {
      return current
    },
    get problems() {
      return sources.flatMap((source) => (refused[source] ?? []).map((problem) => ({ source, problem })))
    },
    get twinVersion() {
      return twinVersion
    },
    takeTwin,
    onChange: (listener) => void listeners.push(listener),
    close() {
      closed = true
      stopWatching()
    }
  }
}

async function readDocument(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8')
  // Editors on Windows put a byte order mark first.
  return JSON.parse(text.replace(/^\uFEFF/, ''))
}

/** Looks at the file every so often: unlike a watch, this sees a mounted file that was replaced outside of the container. */
function watchSettingsFile(path: string, onChange: (path: string) => Promise<void>): () => void {
  const look = () => void onChange(path)
  watchFile(path, { interval: lookEveryMs, persistent: false }, look)
  return () => unwatchFile(path, look)
}
