import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { at, createRun, type Door, type Surroundings, type User } from './client.ts'

/** Signs what is in a registry with a key of its own, without any service beyond the registry. References may be digests. */
export interface Signer {
  login(door: Door, user: User): Promise<unknown>
  sign(door: Door, reference: string): Promise<unknown>
  /** Rejects where there is no signature by its key. */
  verify(door: Door, reference: string): Promise<unknown>
}

export interface SignerKind {
  readonly name: string
  readonly tools: readonly string[]
  open(surroundings: Surroundings): Promise<Signer>
}

export const cosign: SignerKind = {
  name: 'cosign',
  tools: ['cosign'],
  async open({ folder, caFile }) {
    const env = { DOCKER_CONFIG: folder, HOME: folder, SSL_CERT_FILE: caFile, COSIGN_PASSWORD: '' }
    const run = createRun('cosign', env)
    const key = join(folder, 'signing')
    const root = join(folder, 'trusted-root.json')
    await run(['generate-key-pair', `--output-key-prefix=${key}`])
    // An empty one: without any it asks the network whom the world trusts.
    await run(['trusted-root', 'create', `--out=${root}`])
    const plain = (door: Door) => (door.isPlain ? ['--allow-http-registry'] : [])
    const verify = ['verify', '--insecure-ignore-tlog=true', `--trusted-root=${root}`, `--key=${key}.pub`]
    return {
      login: (door, { name, password }) =>
        run(['login', door.host, `--username=${name}`, '--password-stdin'], password),
      sign: (door, reference) =>
        run(['sign', '--yes', '--tlog-upload=false', `--key=${key}.key`, ...plain(door), at(door, reference)]),
      verify: (door, reference) => run([...verify, ...plain(door), at(door, reference)])
    }
  }
}

export const notation: SignerKind = {
  name: 'notation',
  tools: ['notation'],
  async open({ folder, caFile }) {
    const env = { XDG_CONFIG_HOME: folder, DOCKER_CONFIG: folder, HOME: folder, SSL_CERT_FILE: caFile }
    const run = createRun('notation', env)
    await run(['cert', 'generate-test', '--default', 'site'])
    await mkdir(join(folder, 'notation'), { recursive: true })
    await writeFile(join(folder, 'notation', 'trustpolicy.json'), JSON.stringify(trustPolicy))
    const plain = (door: Door) => (door.isPlain ? ['--insecure-registry'] : [])
    let user: User | undefined
    // Its login wants a keychain of the system; where there is none it is told with each command.
    const command = (words: readonly string[]) =>
      createRun('notation', { ...env, NOTATION_USERNAME: user?.name ?? '', NOTATION_PASSWORD: user?.password ?? '' })(
        words
      )
    return {
      async login(_door, given) {
        user = given
      },
      sign: (door, reference) => command(['sign', '--force-referrers-tag=false', ...plain(door), at(door, reference)]),
      verify: (door, reference) => command(['verify', ...plain(door), at(door, reference)])
    }
  }
}

/** notaryproject's specification, "Trust policy": its own test certificate, and nobody else's. */
const trustPolicy = {
  version: '1.0',
  trustPolicies: [
    {
      name: 'site',
      registryScopes: ['*'],
      signatureVerification: { level: 'strict' },
      trustStores: ['ca:site'],
      trustedIdentities: ['*']
    }
  ]
}
