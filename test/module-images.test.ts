import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { readDockerfile } from '../scripts/images/dockerfile.ts'
import { imageEnvironment } from './simulators/module-process.ts'

const root = join(import.meta.dirname, '..')
const ports: Readonly<Record<string, number>> = { 'connected-registry': 8080, 'api-proxy': 8000 }
const workspaces = globSync('modules/*/package.json', { cwd: root }).map((path) => dirname(path))

for (const [name, port] of Object.entries(ports)) {
  const folder = join(root, 'modules', name)
  const dockerfile = (platform: string) => readFileSync(join(folder, `Dockerfile.${platform}`), 'utf8')
  const { image } = JSON.parse(readFileSync(join(folder, 'module.json'), 'utf8'))

  test(`${name} names a Dockerfile for each platform, built from the repository's root`, () => {
    const platforms: Record<string, string> = image.tag.platforms
    assert.deepEqual(Object.keys(platforms), ['amd64', 'arm64v8', 'amd64.debug'])
    for (const path of Object.values(platforms)) assert.ok(existsSync(join(folder, path)), path)
    assert.equal(join(folder, image.contextPath), join(root, '/'))
  })

  test(`the Dockerfiles of ${name} differ in what they are for, and nowhere else`, () => {
    const amd64 = dockerfile('amd64')
    const debug = dockerfile('amd64.debug')

    assert.equal(dockerfile('arm64v8'), amd64.replace('linux/amd64', 'linux/arm64'))
    assert.notEqual(debug, amd64)
    assert.equal(debug.replace('EXPOSE 9229\n', '').replace('"--inspect=0.0.0.0:9229", ', ''), amd64)
  })

  test(`the image of ${name} holds every workspace's package.json, its own sources and those of edge-module`, () => {
    const amd64 = dockerfile('amd64')
    const sources = Array.from(amd64.matchAll(/^COPY modules\/([^/]+)\/src /gm), ([, module]) => module)

    for (const workspace of workspaces) assert.match(amd64, new RegExp(`^COPY ${workspace}/package\\.json `, 'm'))
    assert.deepEqual(sources.sort(), ['edge-module', name].sort())
    assert.match(amd64, new RegExp(`^RUN node /javascript.mts modules/edge-module/src modules/${name}/src$`, 'm'))
  })

  test(`the image of ${name} runs as another user than root, and signals reach node`, () => {
    const amd64 = dockerfile('amd64')

    assert.match(amd64, /^USER node$/m)
    assert.match(amd64, new RegExp(`^EXPOSE ${port}$`, 'm'))
    assert.match(amd64, new RegExp(`^CMD \\["node", (?:"--.+", )?"modules/${name}/src/main.js"\\]$`, 'm'))
  })

  test(`the image of ${name} asks the module itself whether it can serve, with a program that it holds`, () => {
    const { healthcheck } = readDockerfile(dockerfile('amd64'))

    assert.deepEqual(healthcheck?.command, ['node', `modules/${name}/src/health-check.js`])
    assert.ok(existsSync(join(root, healthcheck?.command[1]?.replace(/js$/, 'ts') ?? '')))
  })

  test(`the image of ${name} sets what simulated modules are started with`, () => {
    const { environment } = readDockerfile(dockerfile('amd64'))

    const set = Object.fromEntries(environment.map((variable) => variable.split(/=(.*)/s)))
    const { NODE_ENV, NODE_USE_SYSTEM_CA, ...rest } = set
    assert.deepEqual(rest, imageEnvironment)
    assert.deepEqual([NODE_ENV, NODE_USE_SYSTEM_CA], ['production', '1'])
  })
}
