import assert from 'node:assert/strict'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { test } from 'node:test'
import { anImage } from '../fixtures/image-builder.ts'
import { passwordHash } from '../fixtures/password-hash.ts'
import { basicAuthorization } from '../fixtures/push-image.ts'
import type { Section } from '../simulators/edge-hub/twins.ts'
import { connectionString, type World } from '../simulators/world.ts'
import { type Journey, settingsInForce, startJourney } from './journey.ts'

const client = { name: 'line-1', password: 'planted-client-word=' }
const delegated = { name: 'site-reader', password: 'planted-cloud-word=' }
/** What people type in the wrong place. */
const stray = 'planted-stray-word='
const hash = passwordHash(client.password)
const readAll = ['repositories/*/content/read', 'repositories/*/metadata/read']
const desired: Section = {
  logLevel: 'Debug',
  clientTokens: [
    { name: client.name, passwords: [{ hash }], actions: readAll },
    { name: 'site-*', delegate: true }
  ]
}
const patience = () => AbortSignal.timeout(60_000)

/** Everything that was told to somebody, by where it was told. */
type Told = Record<'answers' | 'methods' | 'twin' | 'log' | 'arguments', string[]>

for (const identity of ['runtime', 'connectionString'] as const) {
  test(`no secret is in anything that the pair writes or says (identity by ${identity})`, async (t) => {
    const journey = await startJourney(t, { clientToken: client, desired, identity })
    if (!journey) return
    const { world, folder } = journey
    const told: Told = { answers: [], methods: [], twin: [], log: [], arguments: [] }
    const keys = await Promise.all([world.registry, world.proxy].map(keyOf))
    world.hub.events.on('reported', () => told.twin.push(JSON.stringify(reportedOf(world))))

    const issued = await liveThroughAll(journey, told)
    for (const { pid, lines } of [world.registry, world.proxy]) {
      told.arguments.push(await readFile(`/proc/${pid}/cmdline`, 'utf8'))
      told.log.push(...lines.map((line) => JSON.stringify(line)))
    }
    await world.stop()

    assertTold(told)
    const passwords = [world.syncToken.password, client.password, delegated.password, stray].flatMap(spellings)
    const hashes = [hash, ...(await delegatedHashes(folder))].map((text) => text.split('$').at(-1)!)
    const secrets = [...passwords, ...hashes, ...issued, ...keys.filter((key) => key !== undefined)]
    for (const [where, texts] of Object.entries(told)) assertClean(texts.join('\n'), secrets, where)
    await assertVolumeHolds(join(folder, 'data'), { passwords, hashes, issued })
  })
}

/** Logins good and bad, transfers that fail, settings that are wrong, a cloud that refuses and one that is gone. */
async function liveThroughAll({ world, round, skopeo, folder }: Journey, told: Told): Promise<readonly string[]> {
  const cloud = world.cloud!
  const ask = asking(world, told)
  const version = await world.hub.patchDesired('api-proxy', { logLevel: 'Debug' })
  assert.ok(version)
  cloud.tokens.set({ ...delegated, actions: readAll })

  const issued: string[] = []
  for (const { name, password } of [client, delegated]) {
    const path = '/acr/oauth2/token?service=site&offline_token=true&scope=repository:demo/app:pull'
    const tokens = JSON.parse(await ask(path, { authorization: basicAuthorization(name, password) }, false))
    issued.push(tokens.access_token, tokens.refresh_token)
    await ask('/v2/demo/app/manifests/1.0', { authorization: `Bearer ${tokens.access_token}` })
    await ask('/v2/demo/app/manifests/none', { authorization: basicAuthorization(name, password) })
    await ask('/status', { authorization: basicAuthorization(name, password) })
    await ask('/metrics', { authorization: basicAuthorization(name, password) })
  }
  for (const name of [client.name, delegated.name, 'site-none', 'nobody', stray]) {
    await ask('/v2/', { authorization: basicAuthorization(name, stray) })
    await ask(`/acr/oauth2/token?account=${stray}`, { authorization: basicAuthorization(name, stray) })
    const form = new URLSearchParams({ grant_type: 'password', username: name, password: stray, scope: stray })
    await ask('/acr/oauth2/token', {}, true, form)
  }
  await ask('/v2/', { authorization: `Bearer ${issued[0]}${stray}` })
  await ask(
    '/acr/oauth2/token',
    {},
    true,
    new URLSearchParams({ grant_type: 'refresh_token', refresh_token: issued[1]! })
  )
  await ask('/acr/oauth2/token', {}, true, new URLSearchParams({ grant_type: 'refresh_token', refresh_token: stray }))
  await ask(`/v2/demo/app/manifests/none?password=${stray}`, { cookie: stray, 'x-forwarded-host': stray })
  await skopeo.pull('demo/app:1.0', join(folder, 'pulled:1.0'))

  const faults = [
    { kind: 'wrong-bytes' },
    { kind: 'cut', afterBytes: 10 },
    { kind: 'answer', status: 403, body: stray }
  ] as const
  for (const [at, fault] of faults.entries()) {
    cloud.contents.put('demo/app', anImage({ seed: `secret ${at}` }), `2.${at}`)
    const rule = cloud.faults.add({ route: 'data' }, fault, { times: 2 })
    told.methods.push(JSON.stringify(await round()))
    rule.remove()
  }
  const wrong: readonly Section[] = [
    { connectionString: stray },
    { connectionString: `SyncTokenPassword=${stray};${stray};EndpointPassword` },
    {
      clientTokens: [
        { name: stray, passwords: [{ hash: stray }], actions: [stray] },
        { name: stray, delegate: true }
      ]
    },
    { delegation: { keptFor: stray }, garbageCollection: { schedule: stray, grace: stray, untaggedAfter: stray } },
    { mode: stray, repositories: [stray], sync: { schedule: stray, window: stray }, storage: { quota: stray } }
  ]
  for (const document of wrong) {
    const { version } = await world.hub.patchDesired('connected-registry', { ...desired, ...document })
    await refusedVersion(world, version)
    await ask('/status', { authorization: basicAuthorization(client.name, client.password) })
    await ask('/metrics', { authorization: basicAuthorization(client.name, client.password) })
    const back = Object.fromEntries(Object.keys(document).map((key) => [key, null]))
    await world.hub.patchDesired('connected-registry', {
      ...back,
      ...desired,
      connectionString: connectionString(world.syncToken, cloud.loginServer),
      repositories: ['hello-world', 'demo/app'],
      mode: 'ReadOnly'
    })
  }
  const last = connectionString({ ...world.syncToken, password: stray }, cloud.loginServer)
  const { version: refusedBy } = await world.hub.patchDesired('connected-registry', { connectionString: last })
  await settingsInForce(world, refusedBy)
  told.methods.push(JSON.stringify((await world.invoke('sync')).payload))
  await cloud.stop()
  told.methods.push(JSON.stringify((await world.invoke('sync')).payload))
  told.methods.push(JSON.stringify((await world.invoke('status')).payload))
  await ask('/status', { authorization: basicAuthorization(client.name, client.password) })
  await ask('/metrics', { authorization: basicAuthorization(client.name, client.password) })
  return issued
}

function asking(world: World, told: Told) {
  return async (path: string, headers: Record<string, string>, isTold = true, form?: URLSearchParams) => {
    const request = form ? { method: 'POST', body: form, headers } : { headers }
    const answer = await fetch(world.registryUrl + path, request)
    const text = await answer.text()
    const isIssued = form?.get('grant_type') === 'refresh_token' && answer.ok
    if (isTold && !isIssued) told.answers.push(text, JSON.stringify([...answer.headers]))
    return text
  }
}

function reportedOf({ hub }: World): unknown {
  return [hub.twin('connected-registry').reported, hub.twin('api-proxy').reported]
}

async function refusedVersion({ hub }: World, version: number): Promise<void> {
  const isRefused = (reported: object) =>
    (reported as { settings?: { refusedVersion?: number } }).settings?.refusedVersion === version
  await hub.reportedMatches('connected-registry', isRefused, patience())
}

/** The module's own key, where it is given in the environment. */
async function keyOf({ pid }: { readonly pid: number | undefined }): Promise<string | undefined> {
  return /SharedAccessKey=([^;\0]+)/.exec(await readFile(`/proc/${pid}/environ`, 'utf8'))?.[1]
}

/** The test would be worth nothing if they had been silent. */
function assertTold({ log, answers, methods, twin, arguments: words }: Told): void {
  for (const word of [
    'request answered',
    'parent answered',
    'login refused',
    'SETTINGS_REFUSED',
    'client token proved'
  ])
    assert.ok(
      log.some((line) => line.includes(word)),
      `the log says: ${word}`
    )
  assert.ok(answers.some((text) => text.includes('delegatedTokens')))
  assert.ok(answers.some((text) => text.includes('connected_registry_status_details{')))
  assert.ok(answers.length > 50 && methods.length > 4 && twin.length > 5)
  assert.equal(words.length, 2)
  assert.doesNotMatch(words.join(), /--report|--heapsnapshot|--inspect/)
}

/** `secrets`, and whatever looks like a token, a signed link, a key or a shared access signature. */
function assertClean(text: string, secrets: readonly string[], where: string): void {
  for (const secret of secrets) {
    const line = text.split('\n').find((line) => line.includes(secret))
    assert.equal(line, undefined, `${secret} is in: ${where}`)
  }
  for (const form of [/eyJ[\w-]{10,}\.eyJ/, /[?&]sig=/, /SharedAccess/, /PRIVATE KEY/, /scrypt\$\d/])
    assert.doesNotMatch(text, form, where)
}

function spellings(secret: string): readonly string[] {
  return [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64').replace(/=+$/, '')]
}

async function filesOf(folder: string): Promise<readonly { readonly name: string; readonly text: string }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name))
  return Promise.all(
    paths.map(async (path) => ({ name: relative(folder, path), text: await readFile(path, 'latin1') }))
  )
}

async function delegatedHashes(folder: string): Promise<readonly string[]> {
  const files = await filesOf(join(folder, 'data'))
  const records = files.filter(({ name }) => name.startsWith('registry/records.sqlite'))
  return records.flatMap(({ text }) =>
    [...text.matchAll(/scrypt\$\d+\$\d+\$\d+\$[\w-]{22}\$[\w-]{43}/g)].map(([found]) => found)
  )
}

/**
 * On the data volume the twin as it was told (state.json, for its owner alone) holds the connection string and the hashes in it,
 * the records the hashes of delegated tokens. Nothing holds a client's password, or anything that was issued.
 */
async function assertVolumeHolds(
  folder: string,
  { passwords, hashes, issued }: Readonly<Record<'passwords' | 'hashes' | 'issued', readonly string[]>>
): Promise<void> {
  const files = await filesOf(folder)
  assert.ok(files.length > 5)
  assert.equal((await stat(join(folder, 'state.json'))).mode & 0o077, 0)
  const ofClients = [client, delegated].flatMap(({ password }) => spellings(password))
  for (const { name, text } of files) {
    const isState = name.startsWith('state.json')
    const isRecords = name.startsWith('registry/records.sqlite')
    const secrets = [...(isState ? ofClients : passwords), ...(isState || isRecords ? [] : hashes), ...issued]
    for (const secret of secrets) assert.equal(text.includes(secret), false, `${secret} is in the file ${name}`)
    assert.doesNotMatch(text, /eyJ[\w-]{10,}\.eyJ|[?&]sig=/, name)
  }
}
