import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import type { TestContext } from 'node:test'
import { createLog } from '@connected-registry/edge-module/log.ts'
import type { NotificationEvent } from '../../modules/connected-registry/src/notification-events.ts'
import {
  createNotifications,
  type NotificationOptions,
  type Notifications,
  type SendOutput
} from '../../modules/connected-registry/src/notifications.ts'
import { keys } from '../../modules/connected-registry/src/storage/layout.ts'
import { anImage } from '../fixtures/image-builder.ts'
import { type OpenRegistry, openRegistry, pushBlobs } from './registry/open-registry.ts'

const image = anImage()

/** What takes messages as edgeHub does. */
export interface Hub {
  readonly send: SendOutput
  readonly events: readonly NotificationEvent[]
  readonly tags: readonly (string | undefined)[]
  /** How many messages of `refusedTag` it does not take. */
  refuses: number
  refusedTag: string
  /** It takes messages and says nothing. */
  isSilent: boolean
  sent(count: number): Promise<void>
}

export function aHub(t: TestContext): Hub {
  const taken: NotificationEvent[] = []
  const news = new EventEmitter()
  const hub: Hub = {
    refuses: 0,
    refusedTag: '',
    isSilent: false,
    events: taken,
    get tags() {
      return taken.map(({ target }) => target.tag)
    },
    async send(output, { id, body }) {
      const event = JSON.parse(body) as NotificationEvent
      assert.deepEqual([output, id], ['notifications', event.id])
      if (hub.refuses > 0 && event.target.tag === hub.refusedTag) {
        hub.refuses--
        throw new Error('not taken')
      }
      taken.push(event)
      news.emit('taken')
      if (hub.isSilent) await new Promise(() => undefined)
    },
    async sent(count) {
      while (taken.length < count) await once(news, 'taken', { signal: t.signal })
    }
  }
  return hub
}

interface PositionRecord {
  readonly cursor: number
  readonly eras: readonly { readonly patterns: readonly string[] }[]
}

export interface Site extends OpenRegistry {
  /** Milliseconds. */
  passed: number
  /** How often the log was read for it. */
  reads: number
  /** Commits for it that fail. */
  failures: number
  /** Resolves after the next failure. */
  failed(): Promise<void>
  tag(...tags: readonly string[]): Promise<void>
  begin(hub?: Hub): { readonly notifications: Notifications }
  /** Resolves when it is said that there is something else to say of them, and this fits. */
  said(fits: () => boolean): Promise<void>
  position(): Promise<PositionRecord | undefined>
  /** Resolves when what is kept of how far it was told fits. */
  until(fits: (position: PositionRecord | undefined) => boolean): Promise<void>
  /** All was told, and this is kept. */
  noted(): Promise<void>
  inForce(pattern: string): Promise<void>
}

export async function aSite(t: TestContext): Promise<Site> {
  const opened = await openRegistry(t)
  const { registry, records } = opened
  await pushBlobs(opened, 'demo/app', image)
  await registry.manifests.put('demo/app', image.manifest, { origin: 'parent' })
  const commits = new EventEmitter()
  let count = 0
  const site: Site = {
    ...opened,
    passed: 0,
    reads: 0,
    failures: 0,
    failed: async () => void (await once(commits, 'failure', { signal: t.signal })),
    async tag(...tags) {
      for (const tag of tags) {
        await registry.tags.remove('demo/app', tag, { origin: 'parent' })
        await registry.tags.put('demo/app', tag, image.manifest.descriptor.digest, { origin: 'client:ci' })
      }
    },
    begin(hub) {
      const options: NotificationOptions = {
        records: { ...records, commit },
        changes: {
          ...registry.changes,
          since(cursor, limit) {
            site.reads++
            return registry.changes.since(cursor, limit)
          }
        },
        storeId: 'store',
        name: () => 'site1',
        log: createLog({ module: 'test', level: 'None' }),
        onChange: () => commits.emit('change'),
        retry: { minimumMs: 1, maximumMs: 2 },
        now: () => new Date(Date.now() + site.passed)
      }
      const notifications = createNotifications(options)
      t.after(() => (hub?.isSilent ? undefined : notifications.stop()))
      notifications.connected(hub?.send)
      return { notifications }
    },
    async said(fits) {
      do await once(commits, 'change', { signal: t.signal })
      while (!fits())
    },
    position: async () => (await records.get(keys.notifications)) as PositionRecord | undefined,
    async until(fits) {
      for (;;) {
        const seen = count
        if (fits(await site.position())) return
        if (count === seen) await once(commits, 'commit', { signal: t.signal })
      }
    },
    noted: () => site.until((position) => position?.cursor === registry.changes.head()),
    inForce: (pattern) => site.until((position) => position?.eras.at(-1)?.patterns[0] === pattern)
  }

  async function commit(batch: Parameters<typeof records.commit>[0]): Promise<void> {
    if (site.failures > 0) {
      site.failures--
      commits.emit('failure')
      throw new Error('no space left on device')
    }
    await records.commit(batch)
    count++
    commits.emit('commit')
  }

  return site
}
