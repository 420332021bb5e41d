export type MetricsFormat = 'text' | 'openmetrics'

/**
 * What an `Accept` header asks for (RFC 9110, 12.5.1): OpenMetrics where it is named, in a version we speak, and wanted no less than
 * plain text. All else, what we do not speak included, gets plain text, as from every exporter.
 */
export function metricsFormat(accept: string | undefined): MetricsFormat {
  const ranges = (accept ?? '').split(',').map(parseRange)
  const openMetrics = best(ranges.filter(({ type, version }) => type === openMetricsType && isSpoken(version)))
  const named = [plainType, 'text/*', '*/*'].find((type) => ranges.some((range) => range.type === type))
  const plain = best(ranges.filter(({ type }) => type === named))
  return openMetrics > 0 && openMetrics >= plain ? 'openmetrics' : 'text'
}

const openMetricsType = 'application/openmetrics-text'
const plainType = 'text/plain'

interface Range {
  readonly type: string
  readonly version: string | undefined
  /** From 0, not at all, to 1. */
  readonly weight: number
}

function parseRange(text: string): Range {
  const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase())
  const parameter = (name: string) => parameters.find((one) => one.startsWith(`${name}=`))?.split('=')[1]
  const weight = parameter('q')
  return { type, version: parameter('version'), weight: weight === undefined ? 1 : weightOf(weight) }
}

function weightOf(text: string): number {
  return /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(text) ? Number(text) : 0
}

function isSpoken(version: string | undefined): boolean {
  return version === undefined || version === '1.0.0'
}

function best(ranges: readonly Range[]): number {
  return Math.max(0, ...ranges.map(({ weight }) => weight))
}
