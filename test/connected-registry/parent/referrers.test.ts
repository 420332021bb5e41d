import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hexOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { mediaTypes } from '../../../modules/connected-registry/src/protocol/media-types.ts'
import { anImage } from '../../fixtures/image-builder.ts'
import { openParent } from './parent-rig.ts'
import { byPath, failing, inTurn, json, type Script, scriptedServer } from './scripted-server.ts'

const subject = anImage({ seed: 'subject' }).manifest.descriptor.digest
const api = `/v2/app/referrers/${subject}`
const fallback = `/v2/app/manifests/sha256-${hexOf(subject)}`

const [signature, sbom] = ['signature', 'sbom'].map((kind) => {
  const { mediaType, digest, size } = anImage({ seed: kind }).manifest.descriptor
  return { mediaType, digest, size, artifactType: `application/${kind}`, annotations: { kind } }
})

function index(manifests: readonly unknown[], headers: Readonly<Record<string, string>> = {}): Script {
  const body = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests }
  return json(200, body, { 'content-type': mediaTypes.ociIndex, ...headers })
}

async function referrersAt(t: Parameters<typeof scriptedServer>[0], scripts: Readonly<Record<string, Script>>) {
  const server = await scriptedServer(t, byPath(scripts))
  const { parent, signal } = openParent(t, server.host)
  return parent.repository('app').referrers(subject, signal)
}

test('referrers are listed to the last page, with their types and annotations', async (t) => {
  const pages = inTurn(index([signature], { link: `<${api}?page=2>; rel="next"` }), index([sbom]))

  assert.deepEqual(await referrersAt(t, { [api]: pages }), [signature, sbom])
})

const unsupported: Readonly<Record<string, Script>> = {
  '404': (_, response) => response.writeHead(404).end('404 page not found'),
  '405': failing(405, 'UNSUPPORTED'),
  '400': failing(400, 'NAME_INVALID'),
  '501': failing(501, 'UNSUPPORTED'),
  'a page of its web site': (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
  'a redirect to its web site': (_, response) => response.writeHead(303, { location: '/' }).end()
}

for (const [name, script] of Object.entries(unsupported)) {
  test(`a parent whose referrers API answers ${name} is asked for the tag that stands in for it`, async (t) => {
    const found = await referrersAt(t, { [api]: script, [fallback]: index([signature, sbom]) })

    assert.deepEqual(found, [signature, sbom])
  })
}

test('a parent that lacked the API is asked for both at once, and its API counts once it has one', async (t) => {
  const tagAsked = Promise.withResolvers<void>()
  const answers = inTurn(failing(404, 'X'), (request, response) => {
    tagAsked.promise.then(() => index([signature])(request, response))
  })
  let tags = 0
  const tag: Script = (request, response) => {
    if (++tags === 2) tagAsked.resolve()
    failing(404, 'MANIFEST_UNKNOWN')(request, response)
  }
  const server = await scriptedServer(t, byPath({ [api]: answers, [fallback]: tag }))
  const { parent, signal } = openParent(t, server.host)
  const referrers = () => parent.repository('app').referrers(subject, signal)

  const found = [await referrers(), await referrers()]

  assert.deepEqual(found, [[], [signature]])
})

test('a parent without the API and without the tag has no referrers', async (t) => {
  assert.deepEqual(await referrersAt(t, { [fallback]: failing(404, 'MANIFEST_UNKNOWN') }), [])
})

test('referrers that could not be asked for are not none', async (t) => {
  const none = failing(404, 'MANIFEST_UNKNOWN')

  await assert.rejects(referrersAt(t, { [api]: failing(403, 'DENIED'), [fallback]: none }), { code: 'DENIED' })
  await assert.rejects(referrersAt(t, { [api]: failing(503, 'X'), [fallback]: none }), { code: 'SERVER_ERROR' })
  await assert.rejects(referrersAt(t, { [api]: failing(404, 'NAME_UNKNOWN'), [fallback]: none }), {
    code: 'NAME_UNKNOWN'
  })
  await assert.rejects(referrersAt(t, {}), { code: 'NOT_FOUND' })
})

test('a list of referrers that fails on a later page throws', async (t) => {
  const pages = inTurn(index([signature], { link: `<${api}?page=2>; rel="next"` }), failing(404, 'X'))

  await assert.rejects(referrersAt(t, { [api]: pages, [fallback]: index([]) }), { code: 'NOT_FOUND' })
})

test('more referrers than anyone needs are refused', async (t) => {
  let page = 0
  const endless: Script = (request, response) => {
    const link = `<${api}?page=${++page}>; rel="next"`
    index(Array(4000).fill(signature), { link })(request, response)
  }

  await assert.rejects(referrersAt(t, { [api]: endless }), { code: 'BAD_ANSWER' })
  assert.equal(page, 3)
})
