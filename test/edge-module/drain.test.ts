import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { createDrain } from '@connected-registry/edge-module/drain.ts'

test('before it drains nothing is refused, and then only what goes on with a push, and health, is not', async (t) => {
  const drain = createDrain()
  const taken: readonly (readonly [method: string, url: string])[] = [
    ['GET', '/healthz'],
    ['GET', '/readyz?verbose'],
    ['PATCH', '/v2/app/web/blobs/uploads/5f3c'],
    ['PUT', '/v2/app/web/blobs/uploads/5f3c?digest=sha256:0'],
    ['GET', '/v2/app/web/blobs/uploads/5f3c'],
    ['PUT', '/v2/app/web/manifests/v1']
  ]
  const fresh: readonly (readonly [method: string, url: string])[] = [
    ['GET', '/v2/'],
    ['GET', '/v2/healthz/tags/list'],
    ['GET', '/v2/app/web/manifests/v1'],
    ['DELETE', '/v2/app/web/manifests/v1'],
    ['POST', '/v2/app/web/blobs/uploads/'],
    ['POST', '/v2/app/web/blobs/uploads/?digest=sha256:0'],
    ['GET', '/v2/?next=/blobs/uploads/'],
    ['GET', '/v2/?next=/blobs/uploads/5f3c'],
    ['PUT', '/v2/?next=/manifests/v1']
  ]
  const refused = (requests: typeof taken) => requests.map(([method, url]) => drain.refuses({ method, url }))
  assert.deepEqual(new Set(refused([...taken, ...fresh])), new Set([false]))

  await drain.done(t.signal)

  assert.deepEqual(new Set(refused(taken)), new Set([false]))
  assert.deepEqual(new Set(refused(fresh)), new Set([true]))
})

for (const [what, other] of [
  ['into another repository', { url: '/v2/app/api/', authorization: 'Bearer one' }],
  ['of another client into the same one', { url: '/v2/app/web/', authorization: 'Bearer two' }]
] as const) {
  test(`the manifest of a push does not end the wait for one ${what}`, async (t) => {
    let nowMs = 0
    const drain = createDrain({ betweenMs: 50, now: () => nowMs })
    const answer = (url: string, authorization: string) => {
      const req = { method: 'PUT', url, headers: { authorization } }
      const response = Object.assign(new EventEmitter(), { req, statusCode: 201 })
      drain.began(response as unknown as ServerResponse)
      return response
    }
    answer('/v2/app/web/blobs/uploads/5f3c?digest=sha256:0', 'Bearer one').emit('close')
    answer(`${other.url}blobs/uploads/5f3d?digest=sha256:0`, other.authorization).emit('close')
    answer(`${other.url}manifests/v1`, other.authorization).emit('close')

    let isDone = false
    const done = drain.done(t.signal).then(() => {
      isDone = true
    })
    await new Promise(setImmediate)
    assert.equal(isDone, false)
    const last = answer('/v2/app/web/manifests/v1', 'Bearer one')
    nowMs = 60
    last.emit('close')

    await done
  })
}
