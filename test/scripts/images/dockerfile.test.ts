import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readDockerfile } from '../../../scripts/images/dockerfile.ts'

const root = join(import.meta.dirname, '..', '..', '..')

for (const [module, port] of [
  ['connected-registry', 8080],
  ['api-proxy', 8000]
] as const) {
  test(`what the Dockerfile of ${module} says of the image is read`, () => {
    const description = readDockerfile(readFileSync(join(root, 'modules', module, 'Dockerfile.amd64'), 'utf8'))

    assert.equal(description.workingFolder, '/app')
    assert.equal(description.user, 'node')
    assert.deepEqual(description.ports, [port])
    assert.equal(description.command[0], 'node')
    assert.equal(description.command.at(-1), `modules/${module}/src/main.js`)
    assert.deepEqual([...description.sources].sort(), [`modules/${module}/src`, 'modules/edge-module/src'].sort())
    assert.ok(description.environment.includes('NODE_ENV=production'))
  })
}

test('continued lines, a health check and several variables are read; of earlier stages only the sources', () => {
  const description = readDockerfile(`FROM a AS install
WORKDIR /build
COPY modules/x/src modules/x/src
RUN something
FROM b
# a comment
ENV A=1 \\
    B=2
HEALTHCHECK --interval=30s --start-period=5s --retries=3 CMD ["node", "health.ts"]
CMD ["node", "main.ts"]
`)

  assert.deepEqual(description.environment, ['A=1', 'B=2'])
  assert.deepEqual(description.healthcheck, {
    command: ['node', 'health.ts'],
    interval: 30,
    timeout: undefined,
    startPeriod: 5,
    retries: 3
  })
  assert.deepEqual(description.sources, ['modules/x/src'])
  assert.equal(description.workingFolder, '/')
})

test('an instruction of the last stage that is not known is refused, not left out', () => {
  assert.throws(() => readDockerfile('FROM a\nRUN apt-get install curl\n'), /instruction RUN .* not known/)
})

test('a variable of several words is read without its quotes; one that would be read wrongly is refused', () => {
  assert.deepEqual(readDockerfile('FROM a\nENV A="b c"  D=e\n').environment, ['A=b c', 'D=e'])
  for (const wrong of ['A="b', 'A=b c', "A='b c'", 'A b', 'A=b"c"', 'A=$B"'])
    assert.throws(() => readDockerfile(`FROM a\nENV ${wrong}\n`), /ENV .* not known/, wrong)
})
