import { posix } from 'node:path'

/** One mention of another file or package. `url`: a path handed to a worker or a process, which loads it all the same. */
export interface Mention {
  readonly specifier: string
  readonly kind: 'import' | 'type' | 'url'
}

/** Who may import whom; an area may always import itself. Root files: main, app, config, settings and their kind. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  storage: ['protocol', 'log'],
  registry: ['storage', 'protocol', 'log'],
  access: ['storage', 'protocol', 'log'],
  integrity: ['registry', 'storage', 'protocol', 'log'],
  children: ['registry', 'storage', 'protocol', 'log'],
  parent: ['protocol', 'http-answer', 'log'],
  sync: ['registry', 'access', 'children', 'parent', 'storage', 'protocol', 'log'],
  http: ['registry', 'access', 'children', 'protocol', 'http-answer', 'log'],
  'connected-registry root': [
    ...['protocol', 'storage', 'registry', 'access', 'integrity', 'children', 'parent', 'sync', 'http'],
    ...['edge-module', 'http-answer', 'log']
  ],
  'api-proxy routes': [],
  'api-proxy': ['api-proxy routes', 'http-answer', 'log'],
  'api-proxy root': ['api-proxy', 'api-proxy routes', 'edge-module', 'http-answer', 'log'],
  log: [],
  'http-answer': [],
  'edge-module': ['http-answer', 'log'],
  fixtures: ['protocol'],
  simulators: ['protocol', 'fixtures'],
  scripts: ['simulators', 'fixtures']
}

/** Areas that only compute: no file, no socket, no process; Node's types for those are words like others. */
const pure = ['protocol', 'api-proxy routes', 'http-answer']
const effects = /^node:(fs|net|tls|http|http2|https|dgram|dns|child_process|worker_threads|sqlite|os)\b/

/** Packages that stand behind one door. */
const doors: readonly (readonly [name: RegExp, door: RegExp])[] = [
  [/^(koa|@koa\/.+)$/, /^modules\/connected-registry\/src\/http\//],
  [/^prom-client$/, /^modules\/connected-registry\/src\/http\/exposition\.ts$/],
  [/^undici$/, /^modules\/connected-registry\/src\/parent\//],
  [/^lowdb$/, /^modules\/connected-registry\/src\/storage\/state-file\.ts$/],
  [/^http-proxy$/, /^modules\/api-proxy\/src\/forward\.ts$/],
  [/^azure-iot-.+$/, /^modules\/edge-module\/src\/edge-hub-connection\.ts$/],
  [/^pino$/, /^modules\/edge-module\/src\/log\.ts$/],
  [/^node:process$/, /\/config\.ts$|^modules\/edge-module\/src\/env\.ts$/]
]

/** Why `from`, a path below the repository's root, must not mention this; undefined: it may. */
export function violation(from: string, { specifier, kind }: Mention): string | undefined {
  const source = areaOf(from)
  const path = resolve(from, specifier)
  if (path !== undefined) return pathViolation(source, path, kind)
  if (source && pure.includes(source) && kind !== 'type' && effects.test(specifier)) {
    return `${source} only computes: no ${specifier}`
  }
  const name = packageName(specifier)
  const closed = doors.find(([pattern, door]) => pattern.test(name) && !door.test(from))
  return closed && `${name} is imported only in ${closed[1].source}`
}

function pathViolation(source: string | undefined, path: string, kind: Mention['kind']): string | undefined {
  const target = areaOf(path)
  if (source === undefined || source === target) return undefined
  // A topology starts the real modules as processes: their main files are run there, not loaded.
  const starts = kind === 'url' && /^modules\/[^/]+\/src\/main\.ts$/.test(path)
  if (starts && (source === 'simulators' || source === 'scripts')) return undefined
  if (target && mayImport[source]?.includes(target)) return undefined
  // A module says its own version.
  if (source.endsWith(' root') && path === `modules/${source.slice(0, -' root'.length)}/package.json`) return undefined
  return `${source} must not import ${target ?? path}`
}

/** What the rule calls the place of a file; undefined for the tests, which may see everything. */
export function areaOf(path: string): string | undefined {
  const [, module, rest] = /^modules\/([^/]+)\/src\/(.+)$/.exec(path) ?? []
  if (module && rest) return moduleArea(module, rest)
  if (path.endsWith('.test.ts')) return undefined
  if (path.startsWith('test/simulators/')) return 'simulators'
  if (path.startsWith('test/fixtures/')) return 'fixtures'
  return path.startsWith('scripts/') ? 'scripts' : undefined
}

function moduleArea(module: string, rest: string): string {
  if (module === 'edge-module') return edgeModuleArea(rest)
  if (module === 'connected-registry' && !rest.includes('/')) return `${module} root`
  if (/^(main|app|config|settings|health-check|standing)\.ts$/.test(rest)) return `${module} root`
  if (module === 'api-proxy') return rest === 'routes.ts' ? 'api-proxy routes' : 'api-proxy'
  return rest.includes('/') ? rest.split('/')[0]! : `${module} root`
}

function edgeModuleArea(rest: string): string {
  if (rest.startsWith('http-answer/')) return 'http-answer'
  return rest === 'log.ts' ? 'log' : 'edge-module'
}

function resolve(from: string, specifier: string): string | undefined {
  const inModule = /^@connected-registry\/([^/]+)\/(.+)$/.exec(specifier)
  if (inModule) return `modules/${inModule[1]}/src/${inModule[2]}`
  return specifier.startsWith('.') ? posix.join(posix.dirname(from), specifier) : undefined
}

export function packageName(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

const patterns = [
  /^\s*(?:import|export)\s+(?<type>type\s+)?[\w$*{},\s]*?\bfrom\s*(['"])(?<specifier>.+?)\2/gm,
  /^\s*import\s*(['"])(?<specifier>.+?)\1/gm,
  /\b(?:import|require|import\.meta\.resolve)\(\s*(['"`])(?<specifier>.+?)\1/g,
  /\bnew (?<url>URL)\(\s*(['"`])(?<specifier>[^'"`]+?\.[jt]s)\2\s*,\s*import\.meta\.url/g
]

/** Everything a source text mentions: imports of values and of types, dynamic ones, and URLs of source files beside it. */
export function mentionsOf(source: string): readonly Mention[] {
  return patterns.flatMap((pattern) =>
    Array.from(source.matchAll(pattern), ({ groups }) => ({
      specifier: groups!.specifier!,
      kind: groups!.url ? 'url' : groups!.type ? 'type' : 'import'
    }))
  )
}
