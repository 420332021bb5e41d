import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readArguments } from '../scripts/simulation/arguments.ts'

const folder = join(import.meta.dirname, '..', '.devcontainer')
const container = JSON.parse(readFileSync(join(folder, 'devcontainer.json'), 'utf8'))

test('what the developer container is built from lies in its context, and nothing leaves it out', () => {
  const context = join(folder, container.build.context)
  const dockerfile = readFileSync(join(folder, container.build.dockerfile), 'utf8')
  const copied = Array.from(dockerfile.matchAll(/^COPY (\S+) /gm), ([, path]) => path!)

  assert.notEqual(copied.length, 0)
  for (const path of copied) assert.ok(existsSync(join(context, path)), path)
  assert.ok(!existsSync(join(context, '.dockerignore')))
})

test('the developer container has the Node of the images, and forwards the ports of the simulation', () => {
  const dockerfile = readFileSync(join(folder, container.build.dockerfile), 'utf8')
  const { version } = JSON.parse(readFileSync(join(folder, '../node_modules/node/package.json'), 'utf8'))
  const { cloud, cloudData, proxy, registry } = readArguments([]).ports

  assert.match(dockerfile, new RegExp(`^FROM node:${version.split('.')[0]}-`))
  assert.deepEqual(container.forwardPorts, [cloud, cloudData, proxy, registry])
})
