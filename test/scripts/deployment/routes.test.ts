import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '..', '..', '..')
// IoT Edge, "Declare routes": the schemas look for `$upstream` in a route, and at nothing else of it.
const form = /^FROM \/messages\/(?:\*|modules\/(?<module>[\w-]+)\/outputs\/(?<output>[\w-]+)) INTO \$upstream$/
const daySeconds = 24 * 3600

interface Route {
  readonly route: string
  readonly priority?: number
  readonly timeToLiveSecs?: number
}

for (const file of globSync(['*.template.json', 'nested-edge/*.template.json'], { cwd: root }))
  test(`${file} leads notifications of the registry to IoT Hub, and what comes from a device below`, () => {
    const { modulesContent } = JSON.parse(readFileSync(join(root, file), 'utf8'))
    const written: readonly (string | Route)[] = Object.values(modulesContent.$edgeHub['properties.desired'].routes)

    const routes = written.map((one): Route => (typeof one === 'string' ? { route: one } : one))
    const read = routes.map(({ route }) => form.exec(route)?.groups)

    assert.ok(!read.includes(undefined), JSON.stringify(routes))
    const at = read.findIndex((groups) => groups?.output === 'notifications')
    assert.ok(modulesContent.$edgeAgent['properties.desired'].modules[read[at]!.module!])
    // edgeHub forgets what it took after two hours without IoT Hub, and of two routes to there the one with a priority counts.
    assert.deepEqual([routes[at]!.priority, routes[at]!.timeToLiveSecs], [1, 90 * daySeconds])
    const catchAll = read.findIndex((groups) => groups?.module === undefined)
    assert.equal(routes[catchAll]!.priority, undefined)
  })
