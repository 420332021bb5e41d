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

test("one repository's manifest does not end the wait for a push into another one", async (t) => {
  let nowMs = 0
  const drain = createDrain({ betweenMs: 50, now: () => nowMs })
  const answer = (method: string, url: string) => {
    const response = Object.assign(new EventEmitter(), { req: { method, url }, statusCode: 201 })
    drain.began(response as unknown as ServerResponse)
    return response
  }
  answer('PUT', '/v2/app/web/blobs/uploads/5f3c?digest=sha256:0').emit('close')
  answer('PUT', '/v2/app/api/blobs/uploads/5f3d?digest=sha256:0').emit('close')
  answer('PUT', '/v2/app/api/manifests/v1').emit('close')

  let isDone = false
  const done = drain.done(t.signal).then(() => {
    isDone = true
  })
  await new Promise(setImmediate)
  assert.equal(isDone, false)
  const last = answer('PUT', '/v2/app/web/manifests/v1')
  nowMs = 60
  last.emit('close')

  await done
})
