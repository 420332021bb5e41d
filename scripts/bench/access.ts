import { execFileSync } from 'node:child_process'
import { createHash, createPrivateKey, randomBytes, X509Certificate } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SignJWT } from 'jose'
import { findTool } from '../../test/fixtures/tools.ts'
import { createCertificateAuthority } from '../../test/simulators/edge-hub/certificates.ts'
import { type Connection, openConnection } from './connection.ts'
import { benchUser, type Contender, reference, startDistribution, startOurs } from './contenders.ts'
import type { Line, Scale } from './line.ts'
import { applyLoad } from './load.ts'
import { aBlob, anImage, manifestType, pushImage, targetOf } from './registry-client.ts'
import type { Sample } from './report.ts'
import { type RoundsOptions, runRounds } from './rounds.ts'

const repository = 'bench/access'
const connections = 32
const image = anImage(aBlob(1024))
const basic = `Authorization: Basic ${Buffer.from(`${benchUser.name}:${benchUser.password}`).toString('base64')}\r\n`
const tokenPath = `/acr/oauth2/token?service=bench&scope=repository:${repository}:pull`

/**
 * What it costs to know who asks: by password beside docker-registry with htpasswd, by access token beside docker-registry with
 * its token authentication, and to issue access tokens, which docker-registry leaves to others.
 */
export async function measureAccess(folder: string, scale: Scale, options: RoundsOptions): Promise<readonly Sample[]> {
  const own = await startOurs(join(folder, 'access'))
  const stops: (() => Promise<void>)[] = [own.stop]
  const beside = async (start: (program: string) => Promise<Contender>) => {
    const program = findTool(reference)
    const started = program ? [await start(program)] : []
    stops.push(...started.map(({ stop }) => stop))
    return started
  }
  try {
    const byPassword = { ...own, pid: own.pid, authorize: async () => basic }
    const htpasswd = await beside((program) => startWithHtpasswd(program, join(folder, 'htpasswd')))
    const withTokens = await beside((program) => startWithTokens(program, join(folder, 'token')))
    return [
      ...(await runRounds(requestLines(scale, 'Basic'), [byPassword, ...htpasswd], options)),
      ...(await runRounds(requestLines(scale, 'Bearer'), [own, ...withTokens], options)),
      ...(await runRounds([requestLine(scale, 'access tokens by password', tokenPath)], [byPassword], options))
    ]
  } finally {
    await Promise.all(stops.map((stop) => stop()))
  }
}

function requestLines(scale: Scale, scheme: 'Basic' | 'Bearer'): readonly Line[] {
  return [
    requestLine(scale, `GET /v2/ with ${scheme}`, '/v2/'),
    requestLine(scale, `manifest GET by tag with ${scheme}`, `/v2/${repository}/manifests/latest`)
  ]
}

function requestLine(scale: Scale, name: string, path: string): Line {
  const load = async ({ port, authorize }: Contender, milliseconds: number) => {
    const headers = `${await authorize(repository)}Accept: ${manifestType}\r\n`
    const operation = async (connection: Connection) => {
      const { status } = await connection.send({ method: 'GET', path, headers })
      if (status !== 200) throw new Error(`${name}: answered ${status}`)
      return 1
    }
    return () => applyLoad({ port, connections, milliseconds, operation })
  }
  return {
    name: `${name}, ${connections} connections`,
    group: 'access',
    unit: 'requests',
    async prepare(contender) {
      const connection = await openConnection(contender.port)
      await pushImage(await targetOf(contender, connection, repository), image, 'latest')
      connection.close()
      const warmUp = await load(contender, scale.requestMs / 2)
      await warmUp()
    },
    round: (contender) => load(contender, scale.requestMs)
  }
}

/** bcrypt, the only hash it takes, at the cost that `htpasswd` has by default. */
async function startWithHtpasswd(program: string, folder: string): Promise<Contender> {
  await mkdir(folder, { recursive: true })
  const path = join(folder, 'htpasswd')
  const salt = `$2y$05$${randomBytes(11).toString('hex')}`
  const hash = execFileSync('perl', ['-e', 'print crypt($ARGV[0], $ARGV[1])', benchUser.password, salt])
  await writeFile(path, `${benchUser.name}:${hash}\n`)
  const auth = { htpasswd: { realm: 'bench', path } }
  return { ...(await startDistribution(reference, program, folder, { auth })), authorize: async () => basic }
}

/** Its token server is this process: it signs one access token with a key whose certificate docker-registry trusts. */
async function startWithTokens(program: string, folder: string): Promise<Contender> {
  await mkdir(folder, { recursive: true })
  const authority = await createCertificateAuthority('bench')
  const { certificate, privateKey } = await authority.issue({ names: ['bench'] })
  const rootcertbundle = join(folder, 'signers.pem')
  await writeFile(rootcertbundle, certificate)
  const token = { realm: 'http://127.0.0.1/token', service: 'bench', issuer: 'bench', rootcertbundle }
  const access = [{ type: 'repository', name: repository, actions: ['pull', 'push'] }]
  const accessToken = await new SignJWT({ access, jti: 'bench' })
    .setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid: keyIdOf(certificate) })
    .setIssuer('bench')
    .setSubject(benchUser.name)
    .setAudience('bench')
    .setIssuedAt()
    .setNotBefore('0s')
    .setExpirationTime('1h')
    .sign(createPrivateKey(privateKey))
  const header = `Authorization: Bearer ${accessToken}\r\n`
  return {
    ...(await startDistribution(reference, program, folder, { auth: { token } })),
    authorize: async () => header
  }
}

/** As docker-registry names keys: 240 bits of the SHA-256 of the public key, in base32, by fours (libtrust). */
function keyIdOf(certificate: string): string {
  const key = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' })
  const bits = Array.from(createHash('sha256').update(key).digest().subarray(0, 30), (byte) =>
    byte.toString(2).padStart(8, '0')
  ).join('')
  const letters = bits.replace(/.{5}/g, (five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(five, 2)]!)
  return letters.match(/.{4}/g)!.join(':')
}
