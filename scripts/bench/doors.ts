import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePorts } from '../../test/fixtures/ports.ts'
import { findTool } from '../../test/fixtures/tools.ts'
import { createCertificateAuthority } from '../../test/simulators/edge-hub/certificates.ts'
import { createModuleProcess, imageEnvironment } from '../../test/simulators/module-process.ts'
import { answers, type Contender, end } from './contenders.ts'

export const ourDoor = 'api-proxy'
/** What our door is held against: nginx as Microsoft's API proxy configures it, which is what an operator would have else. */
export const originalDoor = 'original'
/** And shown beside: nginx at its best, with the same buffers. */
export const bestDoor = 'nginx-best'

/** One before the registry, speaking TLS with the certificate of `startDoors`. */
export type Door = Contender & { readonly authority: string }

/**
 * Our door and nginx before one registry, with one certificate. nginx twice: as Microsoft's API proxy configures it, which
 * connects to the registry for each request and has a body whole before it passes it on, and without these two.
 */
export async function startDoors(folder: string, registry: Contender, profile?: string): Promise<readonly Door[]> {
  const certificate = await writeCertificate(join(folder, 'certificate'))
  const ports = await freePorts(3)
  const doorAt = (index: number): DoorOptions => ({ port: ports[index] ?? 0, registry, certificate })
  const started = [await startOurs(doorAt(0), profile)]
  const program = findTool('nginx', `${process.env.PATH}:/usr/sbin`)
  if (program) started.push(await startNginx(program, originalDoor, join(folder, 'original'), doorAt(1), ''))
  if (program) started.push(await startNginx(program, bestDoor, join(folder, 'best'), doorAt(2), atItsBest))
  return started
}

interface Certificate {
  readonly folder: string
  /** Path of what is to be trusted. */
  readonly authority: string
}

interface DoorOptions {
  readonly port: number
  readonly registry: Contender
  readonly certificate: Certificate
}

async function writeCertificate(folder: string): Promise<Certificate> {
  const root = await createCertificateAuthority('bench')
  // RSA: what the workload API hands out.
  const { certificate, privateKey } = await root.issue({ names: ['localhost'], rsa: true })
  const authority = join(folder, 'ca.crt')
  await mkdir(folder, { recursive: true })
  await writeFile(authority, root.trustBundle)
  await writeFile(join(folder, 'tls.crt'), certificate)
  await writeFile(join(folder, 'tls.key'), privateKey, { mode: 0o600 })
  return { folder, authority }
}

async function startOurs({ port, registry, certificate }: DoorOptions, profile?: string): Promise<Door> {
  const module = createModuleProcess({
    name: ourDoor,
    main: new URL('../../modules/api-proxy/src/main.ts', import.meta.url),
    environment: {
      API_PROXY_HOST: '127.0.0.1',
      NGINX_DEFAULT_PORT: String(port),
      CONNECTED_ACR_ROUTE_ADDRESS: `127.0.0.1:${registry.port}`,
      API_PROXY_CERTIFICATE_VOLUME: certificate.folder,
      NODE_ENV: 'production',
      ...(profile && { NODE_OPTIONS: `${imageEnvironment.NODE_OPTIONS} --cpu-prof --cpu-prof-dir=${profile}` })
    },
    ready: 'door opened'
  })
  await module.start()
  const stop = async () => void (await module.stop())
  return doorOf(registry, certificate, { name: ourDoor, port, pid: module.pid ?? 0, stop })
}

/** One process, as the original has one worker: its memory and its computing are all there is. */
async function startNginx(
  program: string,
  name: string,
  folder: string,
  { port, registry, certificate }: DoorOptions,
  more: string
): Promise<Door> {
  await mkdir(folder, { recursive: true })
  const config = join(folder, 'nginx.conf')
  await writeFile(config, configuration(folder, { port, registry, certificate }, more))
  const child = spawn(program, ['-p', folder, '-e', 'stderr', '-c', config], { stdio: 'ignore' })
  await Promise.race([answers(port), once(child, 'exit').then(() => Promise.reject(new Error(`${name} ended`)))])
  return doorOf(registry, certificate, { name, port, pid: child.pid ?? 0, stop: () => end(child) })
}

const atItsBest = 'proxy_set_header Connection ""; proxy_request_buffering off; proxy_max_temp_file_size 0;'

/** `more` empty: as the original, but for what it would only lose by: it writes no log, and keeps its clients for longer. */
function configuration(folder: string, { port, registry, certificate }: DoorOptions, more: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const address = `127.0.0.1:${registry.port}`
  return `
daemon off; master_process off;
pid ${folder}/nginx.pid;
events { worker_connections 2048; }
http {
  access_log off;
  ${temporary.map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(' ')}
  upstream kept { server ${address}; keepalive 64; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate ${certificate.folder}/tls.crt;
    ssl_certificate_key ${certificate.folder}/tls.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    keepalive_requests 1000000;
    client_max_body_size 1000G;
    proxy_buffers 32 160k;
    proxy_buffer_size 160k;
    proxy_read_timeout 3600;
    proxy_http_version 1.1;
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header X-Forwarded-Proto $scheme;
    ${more}
    location / { proxy_pass http://${more === '' ? address : 'kept'}; }
  }
}
`
}

type Own = Pick<Contender, 'name' | 'port' | 'pid' | 'stop'>

function doorOf({ folder, authorize }: Contender, { authority }: Certificate, own: Own): Door {
  // Nothing that is measured of a door.
  const restart = () => Promise.reject(new Error(`${own.name} is not restarted`))
  return { ...own, folder, authorize, authority, restart }
}
