import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { statusCodes } from '../modules/connected-registry/src/sync/status-codes.ts'
import { type Mention, mentionsOf, packageName, violation } from './import-rule.ts'

const root = join(import.meta.dirname, '..')
const sources = globSync(['modules/**/*.ts', 'test/**/*.ts', 'scripts/**/*.ts'], {
  cwd: root,
  exclude: ['**/node_modules/**']
})
const text = (path: string) => readFileSync(join(root, path), 'utf8')
const inModules = sources.filter((path) => path.startsWith('modules/'))

const registry = 'modules/connected-registry/src'
const proxy = 'modules/api-proxy/src'

const forbidden: readonly (readonly [from: string, source: string])[] = [
  [`${registry}/protocol/digest.ts`, "import { keys } from '../storage/layout.ts'"],
  [`${registry}/protocol/digest.ts`, "import { createLog } from '@connected-registry/edge-module/log.ts'"],
  [`${registry}/protocol/digest.ts`, "import { readFile } from 'node:fs/promises'"],
  [`${registry}/storage/layout.ts`, "import type { Registry } from '../registry/registry.ts'"],
  [`${registry}/storage/layout.ts`, "const rules = await import('../registry/tags.ts')"],
  [`${registry}/storage/layout.ts`, "new Worker(new URL('../registry/tags.ts', import.meta.url))"],
  [`${registry}/registry/tags.ts`, "export { authorize } from '../access/authorize.ts'"],
  [`${registry}/parent/dispatcher.ts`, "import type {\n  BlobStore\n} from '../storage/blob-store.ts'"],
  [`${registry}/sync/engine.ts`, "import { createApp } from '../http/app.ts'"],
  [`${registry}/http/blobs.ts`, "import '../sync/engine.ts'"],
  [`${registry}/http/blobs.ts`, "import type { Settings } from '../settings.ts'"],
  [`${registry}/http/blobs.ts`, "import { twin } from '@connected-registry/edge-module/twin.ts'"],
  [`${registry}/app.ts`, "import { route } from '../../api-proxy/src/routes.ts'"],
  [`${registry}/app.ts`, "import { aBroker } from '../../../test/simulators/edge-hub/broker.ts'"],
  [`${registry}/app.ts`, "import proxy from '../../api-proxy/package.json' with { type: 'json' }"],
  [`${registry}/app.ts`, "import Koa from 'koa'"],
  [`${registry}/sync/copy.ts`, "import Router from '@koa/router'"],
  [`${registry}/http/blobs.ts`, "import { request } from 'undici'"],
  [`${registry}/storage/sqlite.ts`, "import { JSONFile } from 'lowdb/node'"],
  [`${registry}/app.ts`, "import { pino } from 'pino'"],
  [`${registry}/metrics.ts`, "const { Gauge } = require('prom-client/lib/gauge.js')"],
  [`${registry}/access/tokens.ts`, "import { env } from 'node:process'"],
  [`${proxy}/server.ts`, "import httpProxy from 'http-proxy'"],
  [`${proxy}/server.ts`, "import { sign } from '@connected-registry/edge-module/workload.ts'"],
  [`${proxy}/routes.ts`, "import { forward } from './forward.ts'"],
  [`${proxy}/routes.ts`, "import { request } from 'node:http'"],
  ['modules/edge-module/src/twin.ts', "import device from 'azure-iot-device'"],
  ['test/simulators/world.ts', "import { createApp } from '../../modules/connected-registry/src/app.ts'"],
  ['test/simulators/world.ts', "import('../../modules/connected-registry/src/main.ts')"],
  ['test/simulators/cloud-registry/server.ts', "import Koa from 'koa'"],
  ['scripts/simulate.ts', "import { storePaths } from '../modules/connected-registry/src/storage/layout.ts'"]
]

const permitted: readonly (readonly [from: string, source: string])[] = [
  [`${registry}/main.ts`, "import { createApp } from './app.ts'"],
  [`${registry}/app.ts`, "import { twin } from '@connected-registry/edge-module/twin.ts'"],
  [`${registry}/app.ts`, "import self from '../package.json' with { type: 'json' }"],
  [`${registry}/http/blobs.ts`, "import Koa from 'koa'\nimport type { Registry } from '../registry/registry.ts'"],
  [`${registry}/storage/sqlite.ts`, "new Worker(new URL('./record-worker.ts', import.meta.url))"],
  [`${registry}/sync/engine.ts`, "import type { Log } from '@connected-registry/edge-module/log.ts'"],
  [`${proxy}/routes.ts`, "import type { IncomingHttpHeaders } from 'node:http'"],
  ['test/simulators/world.ts', "new URL('../../modules/connected-registry/src/main.ts', import.meta.url)"],
  ['scripts/simulate.ts', "import { startWorld } from '../test/simulators/world.ts'"],
  ['test/connected-registry/http/blobs.test.ts', "import { createApp } from '../../../modules/api-proxy/src/app.ts'"]
]

function violations(from: string, source: string): readonly string[] {
  return mentionsOf(source).flatMap((mention: Mention) => violation(from, mention) ?? [])
}

for (const [from, source] of forbidden)
  test(`the import rule refuses ${JSON.stringify(source)} in ${from}`, () => {
    assert.equal(violations(from, source).length, 1)
  })

for (const [from, source] of permitted)
  test(`the import rule permits ${JSON.stringify(source)} in ${from}`, () => {
    assert.notEqual(mentionsOf(source).length, 0)
    assert.deepEqual(violations(from, source), [])
  })

test('every source file keeps the import rule', () => {
  assert.ok(inModules.length > 10, 'the sources were found')

  // The table above holds examples of what is refused.
  const scanned = sources.filter((path) => path !== 'test/architecture.test.ts')
  assert.deepEqual(
    scanned.flatMap((path) => violations(path, text(path)).map((why) => `${path}: ${why}`)),
    []
  )
})

test('a module imports only packages that its own package.json names, for its image holds no others', () => {
  const missing = inModules.flatMap((path) => {
    const { name, dependencies } = JSON.parse(text(path.replace(/\/src\/.*/, '/package.json')))
    return mentionsOf(text(path))
      .map(({ specifier }) => packageName(specifier))
      .filter((used) => !/^(\.|node:)/.test(used) && used !== name && !(used in dependencies))
      .map((used) => `${path}: ${used}`)
  })

  assert.deepEqual(missing, [])
})

test('only config files read the environment', () => {
  const readers = inModules.filter((path) => /\bprocess\s*(\.\s*env\b|\[)/.test(text(path)))

  assert.deepEqual(
    readers.filter((path) => !/\/config\.ts$|^modules\/edge-module\/src\/env\.ts$/.test(path)),
    []
  )
})

test('no file is longer than 300 lines', () => {
  assert.deepEqual(
    sources.filter((path) => text(path).split('\n').length > 301),
    []
  )
})

test('files are named by the noun inside: no index, no bag of helpers', () => {
  assert.deepEqual(
    sources.filter((path) => /utils?|helpers?|common|manager/i.test(path) || basename(path) === 'index.ts'),
    []
  )
})

test('the lock file names no registry, so that any mirror serves it', () => {
  const { packages } = JSON.parse(text('package-lock.json')) as { packages: Record<string, { resolved?: string }> }

  assert.ok(Object.keys(packages).length > 100)
  assert.deepEqual(
    Object.entries(packages).filter(([, { resolved }]) => /^(https?|git)/.test(resolved ?? '')),
    []
  )
})

test("the README's table of status details says what the code says", () => {
  const [, section = ''] = /^### Status details$(.*?)^###? /ms.exec(text('README.md')) ?? []
  const rows = section.split('\n').filter((line) => line.startsWith('| `'))

  const expected = Object.entries(statusCodes).map(([code, { type, meaning, cure }]) => {
    return `| \`${code}\` | ${type} | ${meaning} | ${cure} |`
  })
  assert.deepEqual(rows, expected)
})
