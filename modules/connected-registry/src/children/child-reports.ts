import { z } from 'zod'
import { type ConnectionState, connectionStates } from '../protocol/gateway.ts'

/** What a child says of itself, and of those below it. */
export interface ChildReport {
  readonly version: string
  readonly connectionState: ConnectionState
  readonly mode: 'ReadOnly' | 'ReadWrite'
  /** RFC 3339, UTC: when its last sync succeeded. */
  readonly lastSync?: string
  /** What it wants and has not. */
  readonly pending?: { readonly artifacts: number; readonly bytes: number }
  readonly statusDetails: readonly ReportedDetail[]
  /** Each as the child sees it. */
  readonly children?: readonly ChildOverview[]
}

export interface ReportedDetail {
  readonly type: string
  readonly code: string
  readonly description: string
  readonly timestamp: string
  readonly correlationId: string
}

/** A child as its parent sees it; its report holds the same of those below it. */
export interface ChildOverview {
  readonly name: string
  /** Offline: it was not heard of for minutes. Else what it says. */
  readonly connectionState: ChildReport['connectionState']
  /** RFC 3339, UTC. */
  readonly lastSeen?: string
  readonly activatedAt?: string
  readonly report?: ChildReport
}

const time = z.iso.datetime({ offset: true })
const count = z.number().int().min(0)

const detailSchema = z.object({
  type: z.string().max(50),
  code: z.string().regex(/^[\x20-\x7e]{1,100}$/),
  description: z.string().max(500),
  timestamp: time,
  correlationId: z.string().max(100)
})

// Other keys are passed over: a newer child may have more to say.
const reportSchema: z.ZodType<ChildReport> = z.object({
  version: z.string().max(50),
  connectionState: z.enum(connectionStates),
  mode: z.enum(['ReadOnly', 'ReadWrite']),
  lastSync: time.optional(),
  pending: z.object({ artifacts: count, bytes: count }).optional(),
  statusDetails: z.array(detailSchema).max(50),
  children: z.lazy(() => z.array(overviewSchema).max(1000)).optional()
})

const overviewSchema: z.ZodType<ChildOverview> = z.object({
  name: z.string().regex(/^[a-zA-Z0-9_-]{1,50}$/),
  connectionState: z.enum(connectionStates),
  lastSeen: time.optional(),
  activatedAt: time.optional(),
  report: reportSchema.optional()
})

/** Problems name the key and never repeat a value. */
export function parseChildReport(document: unknown): ChildReport | { readonly problems: readonly string[] } {
  if (isDeeper(document, deepest)) return { problems: ['it is nested too deep'] }
  const parsed = reportSchema.safeParse(document)
  if (parsed.success) return parsed.data
  return { problems: parsed.error.issues.slice(0, 20).map(({ path, message }) => `${path.join('.')}: ${message}`) }
}

// A layer adds four: the list, an overview in it, its report, a detail there. Nobody has twenty layers.
const deepest = 80

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((item) => isDeeper(item, levels - 1))
}
