import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { passwordHash } from '../fixtures/password-hash.ts'
import { findTool } from '../fixtures/tools.ts'
import { startJourney } from './journey.ts'

const run = promisify(execFile)
const token = { name: 'line-1', password: 'a-password:with-a-colon' }

/** The words each client wants. */
interface Client {
  readonly tool: string
  login(host: string, password: string): readonly string[]
  /** Looks at the tags of a repository with what the login has kept. */
  list(host: string, repository: string): readonly string[]
  /** Words of a password that is wrong. */
  readonly wrong: RegExp
}

const { name } = token
const clients: readonly Client[] = [
  {
    tool: 'skopeo',
    login: (host, password) => ['login', '--tls-verify=false', '-u', name, '-p', password, host],
    list: (host, repository) => ['list-tags', '--tls-verify=false', `docker://${host}/${repository}`],
    wrong: /invalid username\/password/
  },
  {
    tool: 'podman',
    login: (host, password) => ['login', '--tls-verify=false', '-u', name, '-p', password, host],
    list: (host, repository) => ['search', '--tls-verify=false', '--list-tags', `${host}/${repository}`],
    wrong: /invalid username\/password/
  },
  {
    // It keeps a refresh token, which only a daemon would use: crane reads the same file.
    tool: 'docker',
    login: (host, password) => ['login', '-u', name, '-p', password, host],
    list: () => [],
    wrong: /unauthorized|401/
  },
  {
    tool: 'crane',
    login: (host, password) => ['auth', 'login', '--insecure', '-u', name, '-p', password, host],
    list: (host, repository) => ['ls', '--insecure', `${host}/${repository}`],
    wrong: /UNAUTHORIZED/
  },
  {
    tool: 'oras',
    login: (host, password) => ['login', '--insecure', '-u', name, '-p', password, host],
    list: (host, repository) => ['repo', 'tags', '--insecure', `${host}/${repository}`],
    wrong: /authentication required|401/i
  },
  {
    tool: 'regctl',
    login: (host, password) => [
      'registry',
      'login',
      '--host',
      `reg=${host},tls=insecure`,
      '-u',
      name,
      '-p',
      password,
      host
    ],
    list: (host, repository) => ['tag', 'ls', '--host', `reg=${host},tls=insecure`, `${host}/${repository}`],
    wrong: /unauthorized/i
  }
]

test('each client logs in through the door with a client token, reads what it may and nothing else', async (t) => {
  const passwords = [{ hash: passwordHash(token.password) }]
  const actions = ['repositories/demo/*/content/read']
  const desired = { clientTokens: [{ name, passwords, actions }] }
  const journey = await startJourney(t, { clientToken: token, desired })
  if (!journey) return
  const host = new URL(journey.world.proxyUrl).host

  for (const { tool, login, list, wrong } of clients) {
    await t.test(tool, async (t) => {
      if (!findTool(tool)) return t.skip(`${tool} is not on the PATH`)
      const home = join(journey.folder, `login-${tool}`)
      await mkdir(home)
      const call = (words: readonly string[], program = tool) => output(program, words, home)

      const refused = await call(login(host, 'wrong'))
      const accepted = await call(login(host, token.password))
      const lister = list(host, '').length > 0 ? { list, tool } : findTool('crane') ? clients[3]! : undefined

      assert.ok(accepted.ok, accepted.text)
      // crane only keeps what it is given.
      if (tool !== 'crane') assert.match(refused.text, wrong)
      if (!lister) return
      const readable = await call(lister.list(host, 'demo/app'), lister.tool)
      const elsewhere = await call(lister.list(host, 'hello-world'), lister.tool)
      assert.match(readable.text, /1\.0/)
      assert.equal(elsewhere.ok, false, elsewhere.text)
      assert.match(elsewhere.text, /denied|403|Insufficient scopes|forbidden/i)
    })
  }
})

async function output(tool: string, words: readonly string[], home: string) {
  const env = {
    ...process.env,
    HOME: home,
    XDG_RUNTIME_DIR: home,
    DOCKER_CONFIG: home,
    REGISTRY_AUTH_FILE: join(home, 'config.json'),
    REGCTL_CONFIG: join(home, 'regctl.json'),
    DOCKER_HOST: `unix://${home}/no-daemon.sock`
  }
  try {
    const { stdout, stderr } = await run(tool, words, { env, timeout: 60_000 })
    return { ok: true, text: stdout + stderr }
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    return { ok: false, text: stdout + stderr }
  }
}
