import { Agent, get, type IncomingHttpHeaders, request } from 'node:http'

// Many children of one parent in one process: each signs in, activates itself and follows the feed by the gateway protocol. Tells
// `all wait` whenever each of them has asked for messages and none was answered with one since.

export interface Waiting {
  readonly port: number
  readonly count: number
  readonly password: string
}

const { port, count, password } = JSON.parse(process.argv[2] ?? '') as Waiting
const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY })
const atOnce = 4
const waitSeconds = 50
const soonMs = 50
let waiting = 0

async function child(name: string): Promise<void> {
  const basic = `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
  const scope = `gateway:${name}:config_read,config_write,message_read`
  const { access_token } = await ask(`/acr/oauth2/token?service=bench&scope=${scope}`, { authorization: basic })
  const headers = { authorization: `Bearer ${access_token}`, 'x-registry-instance': name }
  const path = `/acr/gateway/v1/${name}`
  await ask(`${path}/activation`, headers, { instanceId: name, version: '0.1.0' })
  const { next } = await ask(`${path}/messages?wait=0`, headers)
  follow(path, headers, String(next)).catch(fail)
}

async function follow(path: string, headers: Record<string, string>, from: string): Promise<void> {
  for (let after = from; ; ) {
    const asked = ask(`${path}/messages?wait=${waitSeconds}&after=${after}`, headers)
    waits()
    const page = await asked
    waiting--
    after = String(page.next)
  }
}

/** Those who ask are taken to wait when none was answered for a moment. */
let told: NodeJS.Timeout | undefined
function waits(): void {
  waiting++
  clearTimeout(told)
  told = setTimeout(() => {
    if (waiting === count) process.send?.('all wait')
  }, soonMs)
}

function ask(path: string, headers: IncomingHttpHeaders, body?: object): Promise<Record<string, unknown>> {
  const { promise, resolve, reject } = Promise.withResolvers<Record<string, unknown>>()
  const options = { host: '127.0.0.1', port, path, headers, agent }
  const sent = body ? request({ ...options, method: 'POST' }) : get(options)
  sent.on('error', reject)
  sent.on('response', async (answer) => {
    const text = (await answer.toArray()).join('')
    if (answer.statusCode === 200) resolve(JSON.parse(text))
    else reject(new Error(`${path} answered ${answer.statusCode}: ${text}`))
  })
  if (body) sent.end(JSON.stringify(body))
  return promise
}

function fail(error: unknown): void {
  console.error(error)
  process.exit(1)
}

const names = Array.from({ length: count }, (_, at) => `child-${at}`)
const next = names.values()
await Promise.all(
  Array.from({ length: atOnce }, async () => {
    for (const name of next) await child(name)
  })
).catch(fail)
