import assert from 'node:assert/strict'
import test from 'node:test'
import { digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { randomBytes } from '../../fixtures/random-bytes.ts'
import { pushBlob, serveWritable } from './pushing.ts'
import { aToken, basic, bearerHeader, type ServedRegistry } from './served-registry.ts'

const bytes = randomBytes('mounted', 5000)
const digest = digestOf(bytes)
const uploads = '/v2/app/web/blobs/uploads/'

async function serveWithSecret(t: Parameters<typeof serveWritable>[0]): Promise<ServedRegistry> {
  const served = await serveWritable(t)
  const all = ['secret/base', 'app/other'].flatMap((name) =>
    ['read', 'write', 'delete'].map((verb) => `repositories/${name}/content/${verb}`)
  )
  served.settings.tokens = [...served.settings.tokens, await aToken('owner', all)]
  return served
}

/** As `owner`, who may write where `writer` may not even read. */
async function pushSecret(served: ServedRegistry, repository = 'secret/base'): Promise<void> {
  const path = `/v2/${repository}/blobs/uploads/?digest=${digest}`
  assert.equal((await served.send('POST', path, basic('owner'), bytes)).status, 201)
}

test('a blob of a repository that the client may read is mounted without its bytes', async (t) => {
  const served = await serveWritable(t)
  await pushBlob(served, 'app/other', bytes)

  const answer = await served.send('POST', `${uploads}?mount=${digest}&from=app/other`, basic('writer'))

  assert.equal(answer.status, 201)
  assert.equal(answer.headers.location, `/v2/app/web/blobs/${digest}`)
  assert.equal(answer.headers['docker-content-digest'], digest)
  assert.ok((await served.send('GET', `/v2/app/web/blobs/${digest}`, basic('writer'))).bytes.equals(bytes))
  assert.deepEqual(await served.registry.uploads.list(), [])
})

// CVE-2024-39897, CVE-2026-35172: what the client may not read is answered like what is not there.
test('a mount from where the client may not read, or where the blob is not, begins an upload', async (t) => {
  const served = await serveWithSecret(t)
  await pushSecret(served)
  const absent = digestOf(randomBytes('absent', 10))
  const queries = [
    `mount=${digest}&from=secret/base`,
    `mount=${absent}&from=secret/base`,
    `mount=${digest}&from=secret/none`,
    `mount=${digest}&from=app/other`,
    `mount=${digest}&from=`,
    `mount=${digest}&from=../secret/base`,
    `mount=${digest}&from=secret%2Fbase`,
    `mount=${digest}`,
    `mount=${absent}`,
    'mount=sha256:x&from=app/other',
    'mount=&from='
  ]

  for (const query of queries) {
    const answer = await served.send('POST', `${uploads}?${query}`, basic('writer'))

    assert.equal(answer.status, 202, query)
    assert.match(answer.headers.location!, /^\/v2\/app\/web\/blobs\/uploads\/[0-9a-f-]{36}$/)
    assert.equal((await served.send('HEAD', `/v2/app/web/blobs/${digest}`, basic('writer'))).status, 404, query)
  }
})

test('without a source a blob is mounted from any repository that the client may read, and from no other', async (t) => {
  const served = await serveWithSecret(t)
  await pushSecret(served)
  const hidden = await served.send('POST', `${uploads}?mount=${digest}`, basic('writer'))
  await pushSecret(served, 'app/other')

  const shown = await served.send('POST', `${uploads}?mount=${digest}`, basic('writer'))

  assert.equal(hidden.status, 202)
  assert.equal(shown.status, 201)
})

test('an access token mounts only from what it was issued for', async (t) => {
  const served = await serveWritable(t)
  await pushBlob(served, 'app/other', bytes)
  const path = `${uploads}?mount=${digest}&from=app/other`
  const narrow = bearerHeader(await served.bearer('repository:app/web:pull,push', 'writer'))
  const both = await served.bearer('repository:app/web:pull,push&scope=repository:app/other:pull', 'writer')

  const refused = await served.send('POST', path, narrow)
  const anonymous = await served.send('POST', `${uploads}?mount=${digest}`, narrow)
  const mounted = await served.send('POST', path, bearerHeader(both))

  assert.equal(refused.status, 202)
  assert.equal(anonymous.status, 202)
  assert.equal(mounted.status, 201)
})

test('a blob that was deleted at its source is not mounted from there, and stays where it was mounted', async (t) => {
  const served = await serveWritable(t)
  await pushBlob(served, 'app/other', bytes)
  await served.send('POST', `${uploads}?mount=${digest}&from=app/other`, basic('writer'))

  await served.send('DELETE', `/v2/app/other/blobs/${digest}`, basic('writer'))

  const third = await served.send(
    'POST',
    `/v2/app/third/blobs/uploads/?mount=${digest}&from=app/other`,
    basic('writer')
  )
  assert.equal(third.status, 202)
  assert.equal((await served.send('GET', `/v2/app/web/blobs/${digest}`, basic('writer'))).status, 200)
  assert.equal((await served.send('GET', `/v2/app/other/blobs/${digest}`, basic('writer'))).status, 404)
})
