import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '..', '..', '..')
// IoT Edge, "Declare routes": the schemas look for `$upstream` in a route, and at nothing else of it.
const route = /^FROM \/messages\/(?:\*|modules\/(?<module>[\w-]+)\/outputs\/(?<output>[\w-]+)) INTO \$upstream$/

for (const file of globSync(['*.template.json', 'nested-edge/*.template.json'], { cwd: root }))
  test(`${file} leads notifications of the registry to IoT Hub, and what comes from a device below`, () => {
    const { modulesContent } = JSON.parse(readFileSync(join(root, file), 'utf8'))
    const routes: readonly string[] = Object.values(modulesContent.$edgeHub['properties.desired'].routes)

    const read = routes.map((text) => route.exec(text)?.groups)

    assert.ok(!read.includes(undefined), routes.join('\n'))
    const found = read.find((groups) => groups?.output === 'notifications')
    assert.ok(modulesContent.$edgeAgent['properties.desired'].modules[found!.module!])
    assert.ok(read.some((groups) => groups?.module === undefined))
  })
