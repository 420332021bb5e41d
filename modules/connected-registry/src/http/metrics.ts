import { answer } from './answer.ts'
import { formatMetrics, type MetricFamily } from './exposition.ts'
import type { Handler } from './handler.ts'
import { metricsFormat } from './metrics-format.ts'

/** What there is to count, as of now. */
export type Metrics = () => Promise<readonly MetricFamily[]>

/**
 * GET /metrics: the figures of this registry as Prometheus reads them, in its text format 0.0.4 or as OpenMetrics 1.0.0. Names of
 * repositories, tags and clients are in none of them: whoever makes such names up must not be able to make series.
 */
export function getMetrics(metrics: Metrics): Handler {
  return async (ctx) => {
    const format = metricsFormat(ctx.req.headers.accept)
    const { type, text } = await formatMetrics(await metrics(), format)
    const body = Buffer.from(text)
    const headers = { 'Content-Type': type, 'Content-Length': body.length, 'Cache-Control': 'no-store', Vary: 'Accept' }
    answer(ctx, 200, headers, body)
  }
}
