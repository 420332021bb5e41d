import type { Config } from './config.ts'
import { mergeSettings, parseParentConfig, parseSettings, type Settings, type SettingsResult } from './settings.ts'
import { type FileContent, followSettingsFile } from './settings-file.ts'
import type { Json } from './storage/record-store.ts'

export type SourceName = 'parent' | 'environment' | 'file' | 'twin'

export interface SettingsProblem {
  readonly source: SourceName
  readonly problem: string
}

export type Desired = Readonly<Record<string, Json>>

/**
 * The settings in force: the parent's, then environment, then file, then twin, later ones winning key by key. A document with a wrong value
 * is refused whole: what its source said before stays in force, and every problem is named until the source is right. Where the
 * environment says who the parent is and nobody says who the clients are, the parent proves them.
 */
export interface SettingsSources {
  readonly current: Settings
  readonly problems: readonly SettingsProblem[]
  /** The twin's `$version` in force; undefined: none yet. */
  readonly twinVersion?: number
  /** The `$version` of the twin that was refused last; undefined: the last one was taken. */
  readonly refusedTwinVersion?: number
  /**
   * A source was refused and never right, and what it may have to say of the mode or the repositories is not known: none
   * that wins over it says both.
   */
  readonly isIncomplete: boolean
  /** The same of the notifications. */
  readonly lacksNotifications: boolean
  /** The same of the client tokens: somebody who is not known may be right. */
  readonly lacksTokens: boolean
  /** What the parent configures this registry with; undefined: nothing any more. True when it was taken. */
  takeParent(document: Readonly<Record<string, unknown>> | undefined): boolean
  /** True when the document was taken. */
  takeTwin(desired: Desired): boolean
  /** What the twin said before a restart: counts until the twin is taken, and settles no problem that it has by now. */
  recallTwin(desired: Desired): void
  onChange(listener: () => void): void
  close(): void
}

export interface SettingsSourcesOptions {
  /** How often the settings file is read. */
  readonly lookMs?: number
}

const sources = ['parent', 'environment', 'file', 'twin'] as const
const anyName: Settings['delegatedNames'] = [{ kind: 'prefix', prefix: '' }]

export async function openSettingsSources(
  config: Pick<Config, 'settings' | 'settingsFile' | 'environment'>,
  { lookMs = 2000 }: SettingsSourcesOptions = {}
): Promise<SettingsSources> {
  const { settings, settingsFile, environment } = config
  const taken: Partial<Record<SourceName, Partial<Settings>>> = {}
  const refused: Partial<Record<SourceName, readonly string[]>> = {}
  const listeners: (() => void)[] = []
  let current = mergeSettings([])
  let twinVersion: number | undefined
  let refusedTwinVersion: number | undefined

  function take(source: SourceName, result: SettingsResult, problems = problemsOf(result)): boolean {
    if (result.kind === 'settings') taken[source] = result.settings
    refused[source] = problems
    const said = withTokens(mergeSettings(sources.map((name) => taken[name] ?? {})), taken.parent?.clientTokens)
    current = asksParent() ? { ...said, delegatedNames: anyName } : said
    for (const listener of listeners) listener()
    return result.kind === 'settings'
  }

  // Manifests of ACR's connected registry say nothing of clients: it knew the tokens of its parent.
  function asksParent(): boolean {
    const isSilent = sources.every((source) => taken[source]?.clientTokens === undefined)
    return taken.environment?.connection !== undefined && isSilent && !isMissing(['clientTokens'])
  }

  /** A source was refused and never right, and none that wins over it says all of these. */
  function isMissing(keys: readonly (keyof Settings)[]): boolean {
    return sources.some((source, at) => {
      const isUnknown = !taken[source] && (refused[source] ?? []).length > 0
      const above: Partial<Settings> = Object.assign({}, ...sources.slice(at + 1).map((name) => taken[name]))
      return isUnknown && keys.some((key) => above[key] === undefined)
    })
  }

  function takeParent(document: Readonly<Record<string, unknown>> | undefined): boolean {
    if (document) return take('parent', parseParentConfig(document, environment))
    delete taken.parent
    return take('parent', { kind: 'refused', problems: [] })
  }

  function takeFile(content: FileContent): void {
    if (content.kind === 'document') take('file', parseSettings(content.document, environment))
    else take('file', { kind: 'refused', problems: [content.problem] })
  }

  function takeTwin(desired: Desired): boolean {
    const result = parseSettings(desired, environment)
    const version = versionOf(desired)
    if (result.kind === 'settings') twinVersion = version
    refusedTwinVersion = result.kind === 'refused' ? version : undefined
    return take('twin', result)
  }

  function recallTwin(desired: Desired): void {
    if (taken.twin) return
    const result = parseSettings(desired, environment)
    if (result.kind === 'settings') twinVersion = versionOf(desired)
    take('twin', result, refused.twin)
  }

  take('environment', parseSettings(settings, environment))
  const unfollow = settingsFile ? await followSettingsFile(settingsFile, lookMs, takeFile) : () => {}

  return {
    get current() {
      return current
    },
    get problems() {
      return sources.flatMap((source) => (refused[source] ?? []).map((problem) => ({ source, problem })))
    },
    get isIncomplete() {
      return isMissing(['mode', 'repositories'])
    },
    get lacksNotifications() {
      return isMissing(['notifications'])
    },
    get lacksTokens() {
      return isMissing(['clientTokens'])
    },
    get twinVersion() {
      return twinVersion
    },
    get refusedTwinVersion() {
      return refusedTwinVersion
    },
    takeParent,
    takeTwin,
    recallTwin,
    onChange: (listener) => void listeners.push(listener),
    close: unfollow
  }
}

/** A client token is known by its name: those of the parent stand beside those that are set here, which win. */
function withTokens(settings: Settings, parents: Settings['clientTokens'] = []): Settings {
  const own = new Set(settings.clientTokens.map(({ name }) => name.toLowerCase()))
  const more = parents.filter(({ name }) => !own.has(name.toLowerCase()))
  return more.length === 0 ? settings : { ...settings, clientTokens: [...settings.clientTokens, ...more] }
}

function problemsOf(result: SettingsResult): readonly string[] {
  return result.kind === 'refused' ? result.problems : []
}

function versionOf({ $version }: Desired): number | undefined {
  return typeof $version === 'number' ? $version : undefined
}
