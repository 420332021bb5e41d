import type { TestContext } from 'node:test'
import { openCloud } from '../connected-registry/sync/parents.ts'
import { anImage, anIndex, aReferrer } from '../fixtures/image-builder.ts'
import type { Route } from '../simulators/cloud-registry/exchange.ts'
import { type Fault, serverError, throttled } from '../simulators/cloud-registry/faults.ts'
import { assertRecovery, openDurableSite } from './durable-site.ts'

/** How the parent fails, and how often in a row. */
export interface ParentFault {
  readonly kind: string
  readonly fault: Fault
  readonly times: number
}

export const parentFaults: readonly ParentFault[] = [
  { kind: 'hangs before it answers', fault: { kind: 'hang' }, times: 2 },
  { kind: 'hangs behind its headers', fault: { kind: 'hang', afterBytes: 0 }, times: 2 },
  { kind: 'hangs in the middle', fault: { kind: 'hang', afterBytes: 50 }, times: 2 },
  { kind: 'resets the connection', fault: { kind: 'cut' }, times: 4 },
  { kind: 'cuts before the first byte', fault: { kind: 'cut', afterBytes: 0 }, times: 4 },
  { kind: 'cuts after one byte', fault: { kind: 'cut', afterBytes: 1 }, times: 4 },
  { kind: 'cuts after a few bytes', fault: { kind: 'cut', afterBytes: 400 }, times: 4 },
  { kind: 'sends wrong bytes of the right length', fault: { kind: 'wrong-bytes' }, times: 3 },
  { kind: 'sends a wrong first byte', fault: { kind: 'wrong-bytes', at: 0 }, times: 3 },
  { kind: 'sends more than there is', fault: { kind: 'other-body' }, times: 3 },
  { kind: 'sends something else', fault: { kind: 'other-body', body: Buffer.from('<html>portal</html>') }, times: 3 },
  { kind: 'sends nothing', fault: { kind: 'other-body', body: Buffer.alloc(0) }, times: 3 },
  { kind: 'names a wrong digest', fault: { kind: 'wrong-digest-header' }, times: 3 },
  { kind: 'encodes its body', fault: { kind: 'gzip' }, times: 3 },
  { kind: 'answers 500', fault: serverError(500), times: 5 },
  { kind: 'answers 503', fault: serverError(503), times: 5 },
  { kind: 'answers 504', fault: serverError(504), times: 5 },
  { kind: 'throttles', fault: throttled(0), times: 5 },
  { kind: 'throttles for a day', fault: throttled(86_400), times: 2 },
  { kind: 'gives links that are over', fault: { kind: 'expired-link' }, times: 5 },
  { kind: 'answers 401', fault: { kind: 'answer', status: 401 }, times: 3 },
  { kind: 'answers 403', fault: { kind: 'answer', status: 403 }, times: 3 },
  { kind: 'answers 404', fault: { kind: 'answer', status: 404 }, times: 3 },
  { kind: 'answers 404 in the words of a registry', fault: unknownName(), times: 3 },
  { kind: 'redirects elsewhere', fault: redirect(), times: 3 }
]

/** Where it may fail, by what kind of parent it is. */
export const places: readonly (readonly [acr: boolean, route: Route])[] = [
  ...(['token', 'metadata', 'manifest', 'referrers', 'blob', 'data'] as const).map((route) => [true, route] as const),
  ...(['tags', 'manifest', 'referrers'] as const).map((route) => [false, route] as const)
]

const repositories = ['plant/a', 'plant/b']
const shared = anImage({ seed: 'shared', layers: 2, layerSize: 2000 })
const large = anImage({ seed: 'large', layers: 1, layerSize: 300_000 })
const index = anIndex([shared, anImage({ seed: 'arm', platform: { os: 'linux', architecture: 'arm64' } })])

/** A parent that fails in this way wherever the route is asked for, in a first sync and in a later one. */
export async function survive(
  t: TestContext,
  acr: boolean,
  route: Route,
  { fault, times }: ParentFault
): Promise<void> {
  const { connection, cloud } = await openCloud(t, acr ? 'acr' : 'plain', repositories)
  cloud.contents.put('plant/a', index, 'latest')
  cloud.contents.put('plant/a', aReferrer(index, { artifactType: 'application/vnd.example.sbom' }))
  cloud.contents.put('plant/b', large, '1.0')
  const durable = await openDurableSite(t, connection, repositories)

  cloud.faults.add({ route }, fault, { times })
  await durable.site.sync()
  cloud.faults.clear()
  await assertRecovery(durable, cloud)

  await durable.open()
  cloud.contents.put('plant/b', anImage({ seed: 'second', layerSize: 5000 }), '1.0')
  cloud.contents.put('plant/a', aReferrer(shared, { artifactType: 'application/vnd.example.signature' }))
  cloud.faults.add({ route }, fault, { times })
  for (let round = 0; round < 2; round++) await durable.site.sync()
  cloud.faults.clear()
  await assertRecovery(durable, cloud)
}

function unknownName(): Fault {
  const body = JSON.stringify({ errors: [{ code: 'NAME_UNKNOWN', message: 'unknown' }] })
  return { kind: 'answer', status: 404, headers: { 'content-type': 'application/json' }, body }
}

function redirect(): Fault {
  return { kind: 'answer', status: 302, headers: { location: 'http://portal.example/login' } }
}
