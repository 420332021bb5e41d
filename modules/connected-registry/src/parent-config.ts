import { isDeepStrictEqual } from 'node:util'
import type { Log } from '@connected-registry/edge-module/log.ts'
import { parentName } from './first-sync.ts'
import type { ParentConnection } from './protocol/connection-string.ts'
import type { SettingsSources } from './settings-sources.ts'
import type { Json } from './storage/record-store.ts'
import type { ParentConfig, Store } from './store.ts'
import { codeOf, describe } from './sync/problems.ts'

type ParentKey = Pick<ParentConnection, 'loginServer' | 'registryName'>

/** The config that the parent gives, in force and kept, so that a restart needs no parent. It holds hashes of passwords. */
export interface KeptParentConfig {
  /** What was kept of this parent. */
  of(connection: ParentKey): ParentConfig | undefined
  /** Undefined: this parent configures nothing. A refused one changes nothing. */
  take(connection: ParentKey, config: NewConfig | undefined): void
  /** Of what is kept, in force is what the parent of this connection gave. */
  follow(connection: ParentKey | undefined): void
  /** The store was opened: what is kept there counts. */
  recall(): void
  /** Resolves when what was taken is on the disk. */
  stop(): Promise<void>
}

export interface NewConfig {
  readonly etag: string
  readonly epoch: string
  readonly body: Readonly<Record<string, unknown>>
}

export interface KeepParentConfigOptions {
  readonly sources: Pick<SettingsSources, 'takeParent' | 'current'>
  readonly store: () => Store | undefined
  readonly log: Log
}

export function keepParentConfig({ sources, store, log }: KeepParentConfigOptions): KeptParentConfig {
  let inForce: string | undefined
  let writing: Promise<void> = Promise.resolve()
  /** What the state file will hold. */
  let latest: { readonly config: ParentConfig | undefined } | undefined

  const kept = () => (latest ? latest.config : store()?.state.data.parentConfig)

  function keep(config: ParentConfig | undefined): void {
    if (isDeepStrictEqual(kept(), config)) return
    latest = { config }
    writing = writing.then(() => write(config))
  }

  async function write(config: ParentConfig | undefined): Promise<void> {
    try {
      await store()?.state.update(({ parentConfig: _, ...rest }) => ({
        ...rest,
        ...(config && { parentConfig: config })
      }))
      log.info({ etag: config?.etag }, 'config of the parent kept')
    } catch (error) {
      log.error({ code: codeOf(error), reason: describe(error) }, 'config of the parent not kept')
    }
  }

  function follow(connection: ParentKey | undefined): void {
    const name = connection && parentName(connection)
    if (inForce === name) return
    const config = kept()
    inForce = name
    sources.takeParent(config && config.parent === name ? config.config : undefined)
  }

  return {
    of: (connection) => (kept()?.parent === parentName(connection) ? kept() : undefined),
    follow,
    recall() {
      inForce = undefined
      follow(sources.current.connection)
    },
    take(connection, config) {
      const name = parentName(connection)
      // A former parent's answer may come late.
      if (!sources.current.connection || parentName(sources.current.connection) !== name) return
      inForce = name
      if (!config) {
        if (!kept()) return
        keep(undefined)
        sources.takeParent(undefined)
        return
      }
      const { body, etag, epoch } = config
      if (sources.takeParent(body)) {
        log.info({ etag }, 'config of the parent in force')
        keep({ parent: name, etag, epoch, config: body as Readonly<Record<string, Json>> })
      } else log.warn({ etag }, 'config of the parent refused')
    },
    stop: () => writing
  }
}
