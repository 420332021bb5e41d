import { readdir } from 'node:fs/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { MetricFamily, SimpleFamily } from './http/exposition.ts'

/**
 * Of the process, by the names that Prometheus' client libraries give them, as far as they have one. What must be measured all the
 * time, such as the event loop's delay a hundred times a second, is not among them: a registry at rest is at rest.
 */
export async function processMetrics(): Promise<readonly MetricFamily[]> {
  const { rss, heapUsed, heapTotal, external } = process.memoryUsage()
  const { user, system } = process.cpuUsage()
  const { active, idle } = performance.eventLoopUtilization()
  return [
    one('counter', 'process_cpu_seconds_total', 'CPU time of all threads.', (user + system) / 1e6),
    one('gauge', 'process_start_time_seconds', 'When the process started.', performance.timeOrigin / 1000),
    one('gauge', 'process_resident_memory_bytes', 'Memory of the process.', rss),
    one('gauge', 'process_open_fds', 'Open files and sockets.', await openFiles()),
    one('gauge', 'nodejs_heap_size_total_bytes', 'Heap of the main thread.', heapTotal),
    one('gauge', 'nodejs_heap_size_used_bytes', 'Of it, what is in use or garbage.', heapUsed),
    one('gauge', 'nodejs_external_memory_bytes', 'Memory beside the heap that objects hold.', external),
    one(
      'gauge',
      'nodejs_eventloop_lag_seconds',
      'What the event loop needed for one turn, just now.',
      await turnSeconds()
    ),
    one('counter', 'nodejs_eventloop_active_seconds_total', 'Time in which the event loop had work.', active / 1000),
    one('counter', 'nodejs_eventloop_idle_seconds_total', 'Time in which it waited for work.', idle / 1000)
  ]
}

function one(type: SimpleFamily['type'], name: string, help: string, value: number | undefined): MetricFamily {
  return { type, name, help, samples: value === undefined ? [] : [{ value }] }
}

async function turnSeconds(): Promise<number> {
  const began = performance.now()
  await nextTurn()
  return (performance.now() - began) / 1000
}

/** Undefined: this system does not say. */
async function openFiles(): Promise<number | undefined> {
  try {
    // The folder itself is open while it is read.
    return (await readdir('/proc/self/fd')).length - 1
  } catch {
    return undefined
  }
}
