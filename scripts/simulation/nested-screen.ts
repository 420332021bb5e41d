import type { NestedWorld } from '../../test/simulators/nested-world.ts'

/** What there is and what to try, from the cloud down. */
export function nestedScreen({ layers }: NestedWorld, readyMs: number, worldFile: string): string {
  const { cloud, clientToken, syncToken } = layers[0].world
  const { name, password } = clientToken
  const rows = layers.map(
    ({ name, mode, world }) =>
      `  ${name}  ${mode.padEnd(9)}  registry ${world.registryUrl}  API proxy ${world.proxyUrl}  (processes ${world.registry.pid}, ${world.proxy.pid})`
  )
  const bottom = new URL(layers.at(-1)!.world.proxyUrl).host
  return `
Ready after ${(readyMs / 1000).toFixed(1)} s. Each layer reaches the API proxy of the one above, and nothing else.

  cloud   ${cloud?.url} (simulated)
${rows.join('\n')}
  user    ${name}
  password  ${password}

Try, at the bottom what is pushed at the top:
  skopeo copy --all --src-tls-verify=false --src-creds ${name}:${password} docker://${bottom}/demo/app:1.0 oci:app:1.0
  skopeo copy --dest-tls-verify=false --dest-creds admin:${syncToken.password} oci:app:1.0 docker://${cloud?.loginServer}/demo/app:2.0
  skopeo list-tags --tls-verify=false --creds ${name}:${password} docker://${bottom}/demo/app

All endpoints are in ${worldFile}. Ctrl-C stops everything. The state of all layers, as ${layers[0].name} knows it:

`
}

interface Registry {
  readonly name: string
  readonly connectionState?: string
  readonly statusDetails?: readonly { readonly code: string }[]
  readonly children?: readonly Overview[]
}

interface Overview {
  readonly name: string
  readonly connectionState: string
  readonly report?: Omit<Registry, 'name'>
}

/** The tree in a `GET /status`: each registry's state, and the codes of what is wrong. */
export function treeLines(name: string, status: Readonly<Record<string, unknown>> | undefined): readonly string[] {
  if (!status) return [`  ${name}  does not answer`]
  return linesOf({ name, ...status }, 1)
}

function linesOf(
  { name, connectionState = '', statusDetails = [], children = [] }: Registry,
  depth: number
): readonly string[] {
  const codes = [...new Set(statusDetails.map(({ code }) => code))].join(' ')
  const own = `${'  '.repeat(depth)}${depth > 1 ? '└ ' : ''}${name}  ${connectionState}  ${codes}`.trimEnd()
  const below = children.flatMap(({ name, connectionState, report }) =>
    linesOf({ ...report, name, connectionState }, depth + 1)
  )
  return [own, ...below]
}
