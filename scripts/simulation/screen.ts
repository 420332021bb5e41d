import { relative } from 'node:path'
import type { LogLine } from '../../test/simulators/module-process.ts'
import type { World } from '../../test/simulators/world.ts'

export interface ScreenFacts {
  readonly readyMs: number
  /** Tags by repository, as the site serves them. */
  readonly tags: ReadonlyMap<string, readonly string[]>
  readonly worldFile: string
}

/** Everything a newcomer needs to go on, on one screen. */
export function readyScreen(world: World, { readyMs, tags, worldFile }: ScreenFacts): string {
  const { name, password } = world.clientToken
  const door = new URL(world.proxyUrl).host
  const images = Array.from(tags, ([repository, names]) => `${repository}:${names.join(',')}`)
  const example = tags.has('demo/app') ? 'demo/app:1.0' : (images[0] ?? 'REPOSITORY:TAG')
  return `
Ready after ${(readyMs / 1000).toFixed(1)} s. The site holds what the parent holds${world.cloud ? '' : ' (as far as it is synced)'}.

  parent        ${world.cloud ? `${world.cloud.url} (simulated, blobs from ${world.cloud.dataEndpoint})` : 'the one you named'}
  registry      ${world.registryUrl}    connected-registry, process ${world.registry.pid}
  API proxy     ${world.proxyUrl}   api-proxy, process ${world.proxy.pid}; authority in ${relative(process.cwd(), world.caFile)}
  user          ${name}
  password      ${password}
  images        ${images.join('  ')}

Try:
  skopeo copy --all --src-tls-verify=false --src-creds ${name}:${password} docker://${door}/${example} oci:app:1.0
  skopeo list-tags --tls-verify=false --creds ${name}:${password} docker://${door}/${example.split(':')[0]}
  curl -s -u ${name}:${password} ${world.registryUrl}/status
${world.cloud ? pushExample(world) : ''}
All endpoints are in ${worldFile}. Ctrl-C stops everything.

`
}

/** A push above is on site within two rounds: a plain parent is asked once a minute. */
function pushExample({ cloud, clientToken, syncToken, proxyUrl }: World): string {
  const door = new URL(proxyUrl).host
  return `  skopeo copy --dest-tls-verify=false --dest-creds admin:${syncToken.password} oci:app:1.0 docker://${cloud?.loginServer}/demo/app:2.0
      and, at most a minute later:
  skopeo inspect --raw --tls-verify=false --creds ${clientToken.name}:${clientToken.password} docker://${door}/demo/app:2.0
`
}

/** What happens, a line each; undefined for what only a developer wants to know. */
export function liveLine({ time, level, module, msg, ...fields }: LogLine): string | undefined {
  if (level === 'debug') return undefined
  const clock = typeof time === 'string' ? time.slice(11, 19) : ''
  const facts = Object.entries(fields).map(([name, value]) => `${name}=${plain(value)}`)
  return `${clock}  ${module.padEnd(18)} ${level === 'info' ? '' : `${level.toUpperCase()} `}${msg}  ${facts.join(' ')}\n`
}

function plain(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text.replace(/(sha256:[0-9a-f]{12})[0-9a-f]{52}/g, '$1')
}
