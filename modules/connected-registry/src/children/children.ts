import { createHash } from 'node:crypto'
import { RegistryError } from '../protocol/errors.ts'
import type { ActivationAnswer, MessagesPage } from '../protocol/gateway.ts'
import { isSameRegistry } from '../protocol/gateway.ts'
import type { Changes } from '../registry/registry.ts'
import type { Json, RecordStore } from '../storage/record-store.ts'
import { encodeValue } from '../storage/record-values.ts'
import { type Activation, createActivations } from './activations.ts'
import type { Child, ChildMode } from './child.ts'
import type { ChildOverview, ChildReport } from './child-reports.ts'
import type { Epoch } from './epoch.ts'
import { createFeed, type FeedRequest } from './feed.ts'

/** The connected registries below this one, as their gateway sees them. `name` is compared without case. */
export interface Children {
  /** As `Epoch.current`. */
  readonly epoch: string
  /** This registry's own first sync is complete: what is absent here is absent above. */
  isSynced(): boolean
  /** Of this registry: a ReadOnly one takes nothing from its children. */
  mode(): ChildMode
  /** Undefined: no child of this registry. */
  find(name: string): Child | undefined
  /** Throws RegistryError ALREADY_ACTIVATED or DEACTIVATED. */
  activate(child: Child, instance: Pick<Activation, 'instanceId' | 'version'>): Promise<ActivationAnswer>
  /** Throws RegistryError NOT_ACTIVATED or DEACTIVATED unless this instance is the active one. Notes that the child was heard. */
  require(child: Child, instanceId: string | undefined): Promise<void>
  /** Frees its name for another instance. False: it was not activated. */
  deactivate(name: string): Promise<boolean>
  /** Instances that were freed may be activated again. False: there are none. */
  readmit(name: string): Promise<boolean>
  config(child: Child): ChildConfig
  /** As `Feed.read`. */
  messages(child: Child, request: Omit<FeedRequest, 'child' | 'currentEtag'>): Promise<MessagesPage>
  report(child: Child, report: ChildReport): void
  overview(): readonly ChildOverview[]
  /** The settings changed: whoever waits looks again. */
  changed(): void
  /** Ends every wait. */
  close(): void
}

export interface ChildConfig {
  /** Quoted, as it stands in a header. */
  readonly etag: string
  readonly body: Readonly<Record<string, Json>>
}

export interface ChildrenOptions {
  readonly records: RecordStore
  readonly changes: Changes
  readonly epoch: Epoch
  /** Those in force. A change is another list. */
  readonly current: () => readonly Child[]
  readonly isSynced: () => boolean
  readonly mode: () => ChildMode
  /** The stores above this one, the nearest first. */
  readonly ancestors: () => readonly string[]
  /** A child was heard for the first time in a while, or said something else. */
  readonly onChange?: () => void
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/** A child reports once a minute, and whenever something changed; its long poll is over after a minute at the latest. */
const silenceMs = 3 * 60_000

export function createChildren(options: ChildrenOptions): Children {
  const { records, changes, epoch, current, isSynced, mode, ancestors, onChange = () => {}, now = Date.now } = options
  const activations = createActivations(records, () => new Date(now()))
  const feed = createFeed({ changes, epoch, now })
  const heard = new Map<string, Heard>()
  const configs = new WeakMap<Child, ChildConfig>()

  function config(child: Child): ChildConfig {
    const known = configs.get(child) ?? { etag: etagOf(child.config), body: child.config }
    configs.set(child, known)
    return known
  }

  function note({ name }: Child, news: Partial<Heard>): void {
    const key = name.toLowerCase()
    const known = heard.get(key)
    heard.set(key, { ...known, ...news, at: now() })
    if (news.report || !known || isSilent(known)) onChange()
  }

  function isSilent({ at }: Heard): boolean {
    return now() - at > silenceMs
  }

  function overviewOf({ name }: Child): ChildOverview {
    const known = heard.get(name.toLowerCase())
    return {
      name,
      connectionState: !known || isSilent(known) ? 'Offline' : (known.report?.connectionState ?? 'Online'),
      lastSeen: known && new Date(known.at).toISOString(),
      activatedAt: known?.activatedAt,
      report: known?.report
    }
  }

  return {
    get epoch() {
      return epoch.current
    },
    isSynced,
    mode,
    config,
    find: (name) => current().find((child) => isSameRegistry(child.name, name)),
    async activate(child, instance) {
      const { activatedAt } = await activations.activate(child.name, instance)
      note(child, { activatedAt })
      return { name: child.name, ancestors: [epoch.storeId, ...ancestors()] }
    },
    async require(child, instanceId) {
      const { activatedAt } = await activations.require(child.name, instanceId)
      note(child, { activatedAt })
    },
    deactivate: activations.deactivate,
    readmit: activations.readmit,
    messages(child, request) {
      // Asked anew at each look: the settings may change while the child waits.
      const latest = () => {
        const found = current().find(({ name }) => isSameRegistry(name, child.name))
        if (!found) throw new RegistryError('DENIED')
        return found
      }
      const began = mode()
      return feed.read({
        ...request,
        isNews: () => mode() !== began,
        get child() {
          return latest()
        },
        currentEtag: () => config(latest()).etag
      })
    },
    report: (child, report) => note(child, { report }),
    overview: () => current().map(overviewOf),
    changed: feed.wake,
    close: feed.close
  }
}

/** What is known of a child since this process started. */
interface Heard {
  readonly at: number
  readonly activatedAt?: string
  readonly report?: ChildReport
}

/** Covers what is effective for this child, and nothing else: the same config has the same one, after a restart too. */
function etagOf(config: Readonly<Record<string, Json>>): string {
  return `"${createHash('sha256').update(encodeValue(config)).digest('hex').slice(0, 32)}"`
}
