import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { passwordHash } from '../fixtures/password-hash.ts'
import { findTool, requireTool } from '../fixtures/tools.ts'
import { settingsInForce, startJourney } from './journey.ts'

const run = promisify(execFile)
const token = { name: 'line-1', password: 'a-password:with-a-colon' }

/** Words that list the tags of a repository with what stands in docker's file. */
const readers: Readonly<Record<string, (host: string, repository: string, file: string) => readonly string[]>> = {
  skopeo: (host, repository, file) => [
    'list-tags',
    '--tls-verify=false',
    '--authfile',
    file,
    `docker://${host}/${repository}`
  ],
  crane: (host, repository) => ['ls', '--insecure', `${host}/${repository}`],
  oras: (host, repository) => ['repo', 'tags', '--insecure', `${host}/${repository}`],
  regctl: (host, repository) => ['tag', 'ls', '--host', `reg=${host},tls=insecure`, `${host}/${repository}`]
}

test('docker keeps a refresh token in place of the password, and all clients live by it until the password goes', async (t) => {
  if (!requireTool(t, 'docker')) return
  const passwords = [{ hash: passwordHash(token.password) }]
  const clientToken = { name: token.name, passwords, actions: ['repositories/demo/*/content/read'] }
  const journey = await startJourney(t, { clientToken: token, desired: { clientTokens: [clientToken] } })
  if (!journey) return
  const { folder, world } = journey
  const host = new URL(world.proxyUrl).host
  const call = (tool: string, words: readonly string[]) => output(tool, words, folder)
  const login = (password: string) => call('docker', ['login', '-u', token.name, '-p', password, host])
  const readAll = async (repository: string) => {
    const tools = Object.keys(readers).filter((tool) => findTool(tool))
    const read = (tool: string) => call(tool, readers[tool]!(host, repository, join(folder, 'config.json')))
    return Promise.all(tools.map(async (tool) => ({ tool, ...(await read(tool)) })))
  }

  const refused = await login('wrong')
  const accepted = await login(token.password)
  const kept = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')).auths[host]

  assert.match(refused.text, /unauthorized|401/)
  assert.ok(accepted.ok, accepted.text)
  assert.ok(kept.identitytoken)
  assert.equal(Buffer.from(kept.auth, 'base64').toString(), `${token.name}:`)
  for (const { tool, ok, text } of await readAll('demo/app')) assert.ok(ok && text.includes('1.0'), `${tool}: ${text}`)
  for (const { tool, text } of await readAll('hello-world')) assert.match(text, /denied|403|Insufficient/i, tool)

  const next = { ...clientToken, passwords: [{ hash: passwordHash('another') }] }
  const { version } = await world.hub.patchDesired('connected-registry', { clientTokens: [next] })
  await settingsInForce(world, version)
  for (const { tool, ok, text } of await readAll('demo/app')) {
    assert.equal(ok, false, tool)
    assert.match(text, /unauthorized|401|invalid username|credentials are not valid/i, tool)
  }
})

/** With the folder as home, where docker's file lies, and no daemon. */
async function output(tool: string, words: readonly string[], folder: string) {
  const env = {
    ...process.env,
    HOME: folder,
    XDG_RUNTIME_DIR: folder,
    DOCKER_CONFIG: folder,
    DOCKER_HOST: `unix://${folder}/no-daemon.sock`
  }
  try {
    const { stdout, stderr } = await run(tool, words, { env, timeout: 60_000 })
    return { ok: true, text: stdout + stderr }
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    return { ok: false, text: stdout + stderr }
  }
}
