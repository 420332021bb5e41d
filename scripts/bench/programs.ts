import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Load } from './load.ts'
import { endedSeconds } from './processes.ts'

const execute = promisify(execFile)

export interface SecureTarget {
  readonly port: number
  /** Path of what is to be trusted. */
  readonly authority: string
  /** A header line with its CRLF. */
  readonly authorization: string
}

/** By curl, one after the other on one connection; the bodies are thrown away. */
export function pullByCurl(target: SecureTarget, path: string, pulls: number): Promise<Load> {
  return curl(target, Array.from({ length: pulls }, () => ['-o', '/dev/null', urlOf(target, path)]).flat(), '200')
}

/** By curl: a file as the body of PUT. */
export function putByCurl(target: SecureTarget, path: string, file: string): Promise<Load> {
  const type = 'Content-Type: application/octet-stream'
  return curl(target, ['-H', type, '-T', file, '-o', '/dev/null', urlOf(target, path)], '201')
}

async function curl(target: SecureTarget, words: readonly string[], expected: string): Promise<Load> {
  const { authority, authorization } = target
  const told = '%{http_code} %{time_total} %{size_download} %{size_upload}\\n'
  const common = ['-sS', '--http1.1', '--cacert', authority, '-H', authorization.trim(), '-w', told]
  const { stdout, computed } = await run('curl', [...common, ...words])
  const answers = stdout.trim().split('\n')
  const times: number[] = []
  let bytes = 0
  for (const answer of answers) {
    const [status, ...figures] = answer.split(' ')
    const [seconds = 0, down = 0, up = 0] = figures.map(Number)
    if (status !== expected) throw new Error(`curl was answered ${status}, not ${expected}`)
    times.push(seconds * 1000)
    bytes += down + up
  }
  const seconds = times.reduce((sum, each) => sum + each, 0) / 1000
  return {
    amount: bytes / 2 ** 20,
    seconds,
    latencies: new Float64Array(times).sort(),
    clientBusy: computed / seconds
  }
}

export interface WrkOptions {
  readonly connections: number
  readonly milliseconds: number
  readonly accept: string
  /** Where its script is put. */
  readonly folder: string
}

/** By wrk, whole seconds. Throws where one request was answered anything but 2xx or 3xx, or not at all. */
export async function requestByWrk(target: SecureTarget, path: string, options: WrkOptions): Promise<Load> {
  const { connections, milliseconds, accept, folder } = options
  const script = join(folder, 'wrk.lua')
  await writeFile(script, wrkScript({ Accept: accept, Authorization: target.authorization.trim().slice(15) }))
  const duration = `${Math.ceil(milliseconds / 1000)}s`
  const words = ['-t', '1', '-c', String(connections), '-d', duration, '-s', script, urlOf(target, path)]
  const { stdout, computed } = await run('wrk', words)
  const [amount = 0, microseconds = 0, failures, ...latencies] =
    / told ([\d ]+)/.exec(stdout)?.[1]?.split(' ').map(Number) ?? []
  if (failures !== 0 || amount === 0) throw new Error(`wrk had ${failures} failures`)
  const seconds = microseconds / 1e6
  // One for each hundredth of the requests.
  const milli = new Float64Array(latencies.map((each) => each / 1000))
  return { amount, seconds, latencies: milli, clientBusy: computed / seconds }
}

function wrkScript(headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries(headers).map(([name, value]) => `wrk.headers["${name}"] = "${value}"`)
  return `${lines.join('\n')}
done = function(summary, latency, requests)
  local errors = summary.errors
  local failures = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format(" told %d %d %d", summary.requests, summary.duration, failures))
  for share = 0, 99 do io.write(string.format(" %d", latency:percentile(share + 0.01))) end
end
`
}

function urlOf({ port }: SecureTarget, path: string): string {
  return `https://localhost:${port}${path}`
}

async function run(program: string, words: readonly string[]) {
  const before = endedSeconds()
  const { stdout } = await execute(program, words)
  return { stdout, computed: endedSeconds() - before }
}
