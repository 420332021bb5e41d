import { createRequire } from 'node:module'
import type * as PromClient from 'prom-client'
import type { MetricsFormat } from './metrics-format.ts'

/** One subject with all its samples; without any it is not told. Names, units and endings are Prometheus' ("Metric and label naming"). */
export type MetricFamily = SimpleFamily | HistogramFamily

export interface SimpleFamily extends Described {
  readonly type: 'counter' | 'gauge'
  readonly samples: readonly Sample[]
}

export interface HistogramFamily extends Described {
  readonly type: 'histogram'
  readonly samples: readonly HistogramSample[]
}

interface Described {
  readonly name: string
  readonly help: string
}

/** Values of labels are words of ours: from lists that nobody outside can make longer. */
export type Labels = Readonly<Record<string, string>>

export interface Sample {
  readonly labels?: Labels
  readonly value: number
}

export interface HistogramSample {
  readonly labels: Labels
  readonly sum: number
  /** How many took no more than each of `bounds`; then all. */
  readonly counts: readonly number[]
  readonly bounds: readonly number[]
}

type Registry = PromClient.Registry<PromClient.RegistryContentType>
type Library = Pick<typeof PromClient, 'Registry' | 'Counter' | 'Gauge'>

let loaded: Library | undefined

// Loaded when somebody asks for the first time, and only what is used: all of it takes 9 MiB, this takes half of one.
function load(): Library {
  const require = createRequire(import.meta.url)
  loaded ??= {
    Registry: require('prom-client/lib/registry.js'),
    Counter: require('prom-client/lib/counter.js'),
    Gauge: require('prom-client/lib/gauge.js')
  }
  return loaded
}

/**
 * The text of an exposition. Everything is made anew: no value of a label outlives its cause, and the library's own registry, once
 * it has said something as OpenMetrics, has lost the ends of its counters' names.
 */
export async function formatMetrics(families: readonly MetricFamily[], format: MetricsFormat) {
  const library = load()
  const { OPENMETRICS_CONTENT_TYPE, PROMETHEUS_CONTENT_TYPE } = library.Registry
  const registry: Registry = new library.Registry()
  registry.setContentType(format === 'openmetrics' ? OPENMETRICS_CONTENT_TYPE : PROMETHEUS_CONTENT_TYPE)
  for (const family of families.filter(({ samples }) => samples.length > 0)) {
    if (family.type === 'histogram') registry.registerMetric(histogramOf(family))
    else add(family, registry, library)
  }
  return { type: registry.contentType, text: await registry.metrics() }
}

function add({ name, help, type, samples }: SimpleFamily, registry: Registry, { Counter, Gauge }: Library): void {
  const labelNames = Object.keys(samples[0]?.labels ?? {})
  const options = { name, help, labelNames, registers: [registry] }
  if (type === 'gauge') {
    const gauge = new Gauge(options)
    for (const { labels = {}, value } of samples) gauge.set(labels, value)
  } else {
    const counter = new Counter(options)
    for (const { labels = {}, value } of samples) counter.inc(labels, value)
  }
}

/** The library counts by itself, or not at all: what was counted elsewhere is put before it as it would say it. */
function histogramOf({ name, help, samples }: HistogramFamily): PromClient.Metric {
  const values = samples.flatMap(({ labels, sum, counts, bounds }) => [
    ...counts.map((value, at) => ({
      metricName: `${name}_bucket`,
      labels: { ...labels, le: boundText(bounds[at]) },
      value
    })),
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: counts.at(-1) ?? 0 }
  ])
  const metric = { name, help, type: 'histogram', get: async () => ({ name, help, type: 'histogram', values }) }
  return metric as unknown as PromClient.Metric
}

/** OpenMetrics wants a point in it; to Prometheus both are one. */
function boundText(bound: number | undefined): string {
  if (bound === undefined) return '+Inf'
  return Number.isInteger(bound) ? `${bound}.0` : String(bound)
}
