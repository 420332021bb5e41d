import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { IssuedCertificate } from '../../simulators/edge-hub/certificates.ts'

/** What the variables of Microsoft's API proxy lead to, as `host:port`. */
export interface OriginalPlaces {
  readonly registry?: string | undefined
  readonly dockerRegistry?: string | undefined
  readonly storage?: string | undefined
  readonly parent?: string | undefined
  readonly edgeHub: string
}

export interface OriginalOptions {
  readonly program: string
  readonly folder: string
  readonly port: number
  readonly places: OriginalPlaces
  readonly certificate: IssuedCertificate
  /** PEM. */
  readonly trust: string
  /** The name that the parent's certificate must have. */
  readonly moduleId: string
  /** Answers any request with a token in `X-Token`. */
  readonly tokenServer: string
}

/** nginx that leads requests as Microsoft's API proxy does by default, with these places for its variables. */
export async function startOriginal(options: OriginalOptions): Promise<{ stop(): Promise<void> }> {
  const { program, folder, port, certificate, trust } = options
  await mkdir(folder, { recursive: true })
  // Its worker is another user.
  await chmod(folder, 0o755)
  await writeFile(join(folder, 'tls.crt'), certificate.certificate)
  await writeFile(join(folder, 'tls.key'), certificate.privateKey, { mode: 0o600 })
  await writeFile(join(folder, 'ca.crt'), trust)
  await writeFile(join(folder, 'nginx.conf'), configuration(options))
  const child = spawn(program, ['-p', folder, '-e', 'stderr', '-c', join(folder, 'nginx.conf')], { stdio: 'ignore' })
  const exited = once(child, 'exit')
  while (!(await isListening(port))) {
    if (child.exitCode !== null) throw new Error('nginx ended')
    await pause(5)
  }
  return {
    async stop() {
      child.kill('SIGTERM')
      await exited
    }
  }
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']

function configuration({ folder, port, places, moduleId, tokenServer }: OriginalOptions): string {
  const { registry, dockerRegistry, storage, parent, edgeHub } = places
  const rewrite = (condition: string, place: string) => `if (${condition}) { rewrite ^(.*)$ /${place}$1 last; }`
  const beside = (place: string, to: string, more = '') =>
    `location ~^/${place}/(.*) { ${more} proxy_http_version 1.1; proxy_pass ${to}/$1$is_args$args; }`
  const forwarded = 'proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Proto $scheme;'
  const toRegistry = (path: string) =>
    `location ${path} { proxy_http_version 1.1; proxy_pass http://${registry}; ${forwarded} client_max_body_size 1000G; }`
  const verified = `proxy_ssl_server_name on; proxy_ssl_name ${moduleId}; proxy_ssl_verify on; proxy_ssl_verify_depth 7;
    proxy_ssl_trusted_certificate ${folder}/ca.crt;`
  const hub = `auth_request /auth; auth_request_set $token $upstream_http_x_token; proxy_http_version 1.1;
    proxy_ssl_verify off; proxy_set_header x-ms-edge-clientcert $ssl_client_escaped_cert;
    proxy_set_header Authorization $auth;`
  return `
daemon off; worker_processes 1; pid ${folder}/nginx.pid; events {}
http {
  ${temporary.map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(' ')}
  access_log off; proxy_buffers 32 160k; proxy_buffer_size 160k;
  map $http_authorization $auth { default $http_authorization; "" $token; }
  server {
    listen 127.0.0.1:${port} ssl; root ${folder}/html;
    ssl_certificate ${folder}/tls.crt; ssl_certificate_key ${folder}/tls.key;
    ssl_client_certificate ${folder}/ca.crt; ssl_verify_depth 7; ssl_verify_client optional_no_ca;
    ${rewrite('$http_x_ms_version', storage ? 'storage' : 'parent')}
    ${dockerRegistry ? rewrite('$uri ~ ^/v2*.', 'registry') : ''}
    ${!dockerRegistry && !registry ? rewrite('$uri ~ ^/v2*.', 'parent') : ''}
    ${registry ? toRegistry('/v2') + toRegistry('/acr') : ''}
    ${dockerRegistry ? beside('registry', `http://${dockerRegistry}`) : ''}
    ${storage ? beside('storage', `http://${storage}`) : ''}
    ${parent ? beside('parent', `https://${parent}`, verified) : ''}
    location ~^/devices|twins/ { ${hub} proxy_pass https://${edgeHub}; }
    location ~^/.iothub/websocket { ${hub} proxy_pass https://${edgeHub};
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "Upgrade"; proxy_set_header Host $host; }
    location = /auth { internal; proxy_pass http://${tokenServer}; }
  }
}
`
}
