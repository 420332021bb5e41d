import type { Report } from './reporting.ts'

const open = ['version', 'connectionState', 'mode'] as const
const openOfSync = ['last', 'lastSuccess', 'next'] as const

/** How this registry is, without a name of anything: for whoever may not see all there is. */
export function outlineOf(report: Report): Report {
  const { sync } = report
  const isObject = typeof sync === 'object' && sync !== null && !Array.isArray(sync)
  return { ...pick(report, open), ...(isObject && { sync: pick(sync as Report, openOfSync) }) }
}

function pick(report: Report, keys: readonly string[]): Report {
  return Object.fromEntries(Object.entries(report).filter(([key]) => keys.includes(key)))
}
