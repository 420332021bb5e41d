import type { MetricFamily } from './http/exposition.ts'
import { durationBounds, type RouteFigures } from './http/request-counts.ts'
import { counter } from './metric-families.ts'

/** What clients asked for, by the table of routes: no series can be made by asking for something else. */
export function requestMetrics(routes: readonly RouteFigures[]): readonly MetricFamily[] {
  const asked = routes.filter(({ requests }) => requests.length > 0)
  return [
    counter(
      'http_requests_total',
      'Requests of clients by what they were answered; status none: the client left before.',
      asked.flatMap(({ route, requests }) =>
        requests.map(
          ({ method, status = 'none', count }) => [{ method, route, status: String(status) }, count] as const
        )
      )
    ),
    {
      type: 'histogram',
      name: 'connected_registry_http_request_duration_seconds',
      help: 'From the head of a request to the end of its answer, bodies and waits included.',
      samples: asked.map(({ route, durationSum, durationCounts }) => {
        return { labels: { route }, sum: durationSum, counts: durationCounts, bounds: durationBounds }
      })
    }
  ]
}
