import { spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { stripVTControlCharacters } from 'node:util'
import type { RegistryData } from './read-only-data.ts'

/** Where a suite is pointed at, and as whom. */
export interface Target {
  /** `http://127.0.0.1:8080` */
  readonly url: string
  /** Undefined: what stands in between shows a name and a password by itself. */
  readonly credentials?: { readonly name: string; readonly password: string }
  /** PEM file of the authority that the target's certificate is from. */
  readonly caFile: string
  /** Repositories that are new in every run: what an earlier one left would be found again. */
  readonly repositories: readonly [string, string]
  /** What is there already, for a registry that takes nothing in. Undefined: everything is tested. */
  readonly data?: RegistryData
  /** For reports and output. */
  readonly folder: string
}

export interface Outcome {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  /** Why there is no result. */
  readonly problem?: string
}

/** One way to run an official program of the distribution specification. */
export interface Suite {
  /** As the table shows it: the specification's version. */
  readonly name: string
  /** Of the executable, as scripts/install-tools.sh installs it. */
  readonly program: string
  environment(target: Target): Readonly<Record<string, string>>
  arguments(target: Target): readonly string[]
  read(output: string): Outcome | undefined
}

const specification = (version: '1.1' | 'dev'): Suite => ({
  name: `${version} (current)`,
  program: 'conformance',
  environment: (target) => ({
    OCI_VERSION: version,
    OCI_REGISTRY: new URL(target.url).host,
    OCI_TLS: target.url.startsWith('https:') ? 'enabled' : 'disabled',
    OCI_REPO1: target.repositories[0],
    OCI_REPO2: target.repositories[1],
    OCI_RESULTS_DIR: target.folder,
    OCI_USERNAME: target.credentials?.name ?? '',
    OCI_PASSWORD: target.credentials?.password ?? '',
    ...(target.data && {
      OCI_API_PUSH: 'false',
      OCI_API_BLOBS_DELETE: 'false',
      OCI_API_MANIFESTS_DELETE: 'false',
      OCI_API_TAGS_DELETE: 'false',
      // Where it knows no bytes it looks for the digest in an answer that it has dropped.
      OCI_API_MANIFESTS_DIGEST_HEADER: 'false',
      OCI_RO_DATA_TAGS: target.data.tag,
      OCI_RO_DATA_MANIFESTS: target.data.manifest,
      OCI_RO_DATA_BLOBS: target.data.blobs.join(' '),
      OCI_RO_DATA_REFERRERS: target.data.manifest
    })
  }),
  arguments: () => [],
  read: readCounts
})

/** The specification's earlier suite, which many registries are still held against. */
const earlier: Suite = {
  name: '1.1 (earlier suite)',
  program: 'conformance-earlier',
  environment: (target) => {
    const isWritable = target.data ? '0' : '1'
    return {
      OCI_ROOT_URL: target.url,
      OCI_NAMESPACE: target.repositories[0],
      OCI_CROSSMOUNT_NAMESPACE: target.repositories[1],
      OCI_USERNAME: target.credentials?.name ?? '',
      OCI_PASSWORD: target.credentials?.password ?? '',
      OCI_REPORT_DIR: target.folder,
      OCI_TEST_PULL: '1',
      OCI_TEST_PUSH: isWritable,
      OCI_TEST_CONTENT_DISCOVERY: isWritable,
      OCI_TEST_CONTENT_MANAGEMENT: isWritable,
      OCI_DELETE_MANIFEST_BEFORE_BLOBS: '1',
      OCI_AUTOMATIC_CROSSMOUNT: '1',
      ...(target.data && {
        OCI_TAG_NAME: target.data.tag,
        OCI_MANIFEST_DIGEST: target.data.manifest,
        OCI_BLOB_DIGEST: target.data.blobs[0]
      })
    }
  },
  // Its pull part puts a bad manifest and wants 400 or 404; a registry that takes nothing in says 403.
  arguments: ({ data }) => (data ? ['-ginkgo.skip=400 response body'] : []),
  read: readGinkgo
}

export const suites: readonly Suite[] = [specification('1.1'), specification('dev'), earlier]

/** The programs have no time-out of their own: an answer that stalls would hold them for ever. */
const timeoutMs = 180_000

/** Runs a suite's program against a target. Its output and its reports are kept in the target's folder. */
export async function runSuite(suite: Suite, executable: string, target: Target): Promise<Outcome> {
  const { PATH = '', HOME = '' } = process.env
  const env = { PATH, HOME, SSL_CERT_FILE: target.caFile, ...suite.environment(target) }
  const stdio = ['ignore', 'pipe', 'pipe'] as const
  const child = spawn(executable, suite.arguments(target), {
    env,
    cwd: target.folder,
    stdio: [...stdio],
    timeout: timeoutMs,
    killSignal: 'SIGKILL'
  })
  const ended = Promise.withResolvers<NodeJS.Signals | null>()
  child.once('error', ended.reject)
  child.once('close', (_code, signal) => ended.resolve(signal))
  const parts: Buffer[] = []
  child.stdout.on('data', (part: Buffer) => parts.push(part))
  const [signal] = await Promise.all([
    ended.promise,
    pipeline(child.stderr, createWriteStream(join(target.folder, 'stderr.log')))
  ])
  const output = Buffer.concat(parts).toString()
  await pipeline([output], createWriteStream(join(target.folder, 'stdout.log')))
  if (signal) return { ...nothing, problem: `not finished within ${timeoutMs / 1000} s` }
  return suite.read(output) ?? { ...nothing, problem: 'ended without a result' }
}

const nothing = { passed: 0, failed: 0, skipped: 0 } as const

/** `OCI Conformance Result: Pass`, and below it a line for each status. What the program itself got wrong counts as failed. */
export function readCounts(output: string): Outcome | undefined {
  if (!/^OCI Conformance Result:/m.test(output)) return undefined
  const count = (status: string) => Number(new RegExp(`^ +${status}\\.*: +(\\d+)$`, 'im').exec(output)?.[1] ?? 0)
  return { passed: count('Pass'), failed: count('Fail') + count('Error'), skipped: count('Skip') + count('Disabled') }
}

/** Ginkgo's last line, colours left out. */
export function readGinkgo(output: string): Outcome | undefined {
  const plain = stripVTControlCharacters(output)
  const [, passed, failed, skipped] = /(\d+) Passed \| (\d+) Failed .*?(\d+) Skipped/.exec(plain) ?? []
  return passed === undefined ? undefined : { passed: Number(passed), failed: Number(failed), skipped: Number(skipped) }
}
