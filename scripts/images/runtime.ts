import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { entriesBelow, type ImageEntry } from './entries.ts'
import { type Layer, layerOf } from './layer.ts'
import type { Platform } from './platforms.ts'
import { runTool } from './run-tool.ts'

/** Something that an image holds beside our own packages. */
export interface Part {
  readonly name: string
  readonly version: string
  readonly licence: string
  /** Package URL, https://github.com/package-url/purl-spec */
  readonly purl: string
}

export interface Runtime {
  readonly platform: Platform
  readonly layer: Layer
  readonly parts: readonly Part[]
}

interface Brought {
  readonly entries: readonly ImageEntry[]
  readonly parts: readonly Part[]
}

/** What the Node binary is linked with, and the base package that holds the licences of GCC's libraries. */
const packages = ['libc6', 'libgcc-s1', 'libstdc++6', 'libatomic1', 'gcc-12-base']
const libraries = /^(usr\/)?lib(64)?\/([^/]+\/)?(lib|ld-)[^/]*\.so[^/]*$/
const licences = /^usr\/share\/doc\/[^/]+(\/copyright)?$/

/**
 * Node and the libraries it needs for one platform, from the npm registry and from Debian. Both modules stand on the same layer:
 * a device fetches it once.
 */
export async function bringRuntime(platform: Platform, nodeVersion: string): Promise<Runtime> {
  const folder = mkdtempSync(join(tmpdir(), 'runtime-'))
  try {
    const node = bringNode(platform, nodeVersion, join(folder, 'node'))
    const debian = bringLibraries(platform, join(folder, 'debian'))
    const layer = await layerOf([...accounts, ...debian.entries, ...node.entries])
    return { platform, layer, parts: [...node.parts, ...debian.parts] }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function bringNode({ nodePackage }: Platform, version: string, folder: string): Brought {
  mkdirSync(folder, { recursive: true })
  const file = runTool('npm', ['pack', '--silent', `${nodePackage}@${version}`], folder).trim()
  runTool('tar', ['-xzf', file, 'package/bin/node', 'package/LICENSE'], folder)
  const read = (name: string) => readFileSync(join(folder, 'package', name))
  return {
    entries: [
      { kind: 'file', path: 'usr/local/bin/node', content: read('bin/node'), mode: 0o755 },
      { kind: 'file', path: 'usr/share/doc/node/LICENSE', content: read('LICENSE') }
    ],
    parts: [{ name: 'node', version, licence: 'MIT', purl: `pkg:npm/${nodePackage}@${version}` }]
  }
}

// Lists and state of its own, so that another architecture's packages are had without telling the machine's apt of it.
function bringLibraries({ architecture }: Platform, folder: string): Brought {
  for (const name of ['lists/partial', 'archives/partial', 'root']) mkdirSync(join(folder, name), { recursive: true })
  const settings = [
    ...[`Dir::State::Lists=${folder}/lists`, `Dir::Cache=${folder}`, 'Dir::State::status=/dev/null'],
    ...[`APT::Architecture=${architecture}`, `APT::Architectures=${architecture}`, 'APT::Sandbox::User=root']
  ].flatMap((setting) => ['-o', setting])
  runTool('apt-get', [...settings, '-qq', 'update'])
  runTool('apt-get', [...settings, '-qq', 'download', ...packages], folder)
  const files = readdirSync(folder).filter((name) => name.endsWith('.deb'))
  const root = join(folder, 'root')
  for (const file of files) runTool('dpkg-deb', ['-x', join(folder, file), root])
  return {
    entries: entriesBelow(root, '', (path) => libraries.test(path) || licences.test(path)),
    parts: files.map((file) => debianPart(join(folder, file), architecture))
  }
}

function debianPart(file: string, architecture: string): Part {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg's own placeholders.
  const [name = '', version = ''] = runTool('dpkg-deb', ['-W', '--showformat=${Package} ${Version}', file]).split(' ')
  const purl = `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}`
  return { name, version, licence: 'NOASSERTION', purl }
}

/** User 1000 and its name, as in the images that an engine builds; host names by file, then by DNS. */
const accounts: readonly ImageEntry[] = [
  { kind: 'file', path: 'etc/passwd', content: 'root:x:0:0::/root:/none\nnode:x:1000:1000::/home/node:/none\n' },
  { kind: 'file', path: 'etc/group', content: 'root:x:0:\nnode:x:1000:\n' },
  { kind: 'file', path: 'etc/nsswitch.conf', content: 'hosts: files dns\n' },
  { kind: 'folder', path: 'home/node', owner: 1000 },
  { kind: 'folder', path: 'tmp', mode: 0o1777 }
]
