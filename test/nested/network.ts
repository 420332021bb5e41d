import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { skipWithout } from '../fixtures/tools.ts'
import { startProgram } from './program.ts'
import type { LinkCommands, LinkOptions } from './relay-main.ts'

/** A place of the plant: a network namespace of its own. */
export interface Place {
  readonly name: string
  /** What it calls itself, and what those below call it. */
  readonly host: string
  /** The name of the one place that it has a link to; without it there is none upwards. */
  readonly above?: string
  /** Of the place above: all that the link lets through. */
  readonly ports?: readonly number[]
  readonly link?: LinkOptions
}

/** Namespaces with links between them, and nothing else: no way out, and none around a link. */
export interface Network {
  /** The namespace of a place, for `startProgram`. */
  namespace(place: string): string
  /** The address that a place has for itself and, through the relay, for those below. */
  address(place: string): string
  link(below: string): Link
  remove(): Promise<void>
}

/** What is between a place and the one above. */
export interface Link {
  /** No packet goes through; nobody is told. */
  cut(): Promise<void>
  mend(): Promise<void>
  traffic(): ReturnType<LinkCommands['traffic']>
}

const run = promisify(execFile)
const prefix = 'registry-nested'
/** `ip netns exec` puts the files here in the place of those in /etc (ip-netns(8)). */
const filesOf = '/etc/netns'
let networks = 0

/** Why there can be no namespaces here, or false. In CI a missing `ip` is an error. */
export async function skipWithoutNamespaces(): Promise<string | false> {
  const missing = skipWithout(['ip'])
  if (missing !== false) return missing
  if (process.getuid?.() !== 0) return 'network namespaces need root'
  const probe = `${prefix}-${process.pid}-probe`
  try {
    await ip('netns', 'add', probe)
    await ip('netns', 'del', probe)
    return false
  } catch (error) {
    return `no network namespaces here: ${(error as { stderr?: string }).stderr?.trim() ?? error}`
  }
}

export async function createNetwork(places: readonly Place[]): Promise<Network> {
  await removeLeftovers()
  const own = `${prefix}-${process.pid}-${networks++}`
  const namespace = (name: string) => `${own}-${name}`
  const linked = places.filter(({ above }) => above !== undefined)
  const names = [...places.map(({ name }) => name), ...linked.map(({ name }) => linkOf(name))].map(namespace)
  const remove = removeAtTheEnd(names)
  const links = new Map<string, Link>()
  const addressOf = (name: string) => `10.77.${places.findIndex((place) => place.name === name)}.1`
  const find = (name: string) => places.find((place) => place.name === name)!

  async function build(): Promise<void> {
    for (const name of names) {
      await ip('netns', 'add', name)
      await ip('-n', name, 'link', 'set', 'lo', 'up')
    }
    for (const [at, place] of places.entries()) {
      await ip('-n', namespace(place.name), 'address', 'add', `${addressOf(place.name)}/32`, 'dev', 'lo')
      await nameHosts(place, at)
    }
    for (const [at, place] of places.entries()) if (place.above) links.set(place.name, await connect(place, at))
  }

  /** A place knows itself and the relay, which has the name of the place above. */
  async function nameHosts({ name, host, above }: Place, at: number): Promise<void> {
    const hosts = [
      ['127.0.0.1', 'localhost'],
      [addressOf(name), host],
      ...(above ? [[lowerAddress(at), find(above).host]] : [])
    ]
    const folder = join(filesOf, namespace(name))
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, 'hosts'), `${hosts.map((entry) => entry.join(' ')).join('\n')}\n`)
  }

  async function connect({ name, above = '', ports = [], link = {} }: Place, at: number): Promise<Link> {
    const between = namespace(linkOf(name))
    const upper = namespace(above)
    await wire(namespace(name), 'above', `10.78.${at}.2/30`, between, 'below', `${lowerAddress(at)}/30`)
    await wire(between, 'above', `10.78.${at}.5/30`, upper, `below${at}`, `10.78.${at}.6/30`)
    await ip('-n', between, 'route', 'add', `${addressOf(above)}/32`, 'via', `10.78.${at}.6`)
    const relay = startProgram<LinkCommands>(new URL('./relay-main.ts', import.meta.url), { namespace: between })
    await relay.start({ ...link, from: lowerAddress(at), to: addressOf(above), ports })
    return {
      cut: () => ip('-n', between, 'link', 'set', 'below', 'down'),
      mend: () => ip('-n', between, 'link', 'set', 'below', 'up'),
      traffic: () => relay.traffic()
    }
  }

  try {
    await build()
  } catch (error) {
    await remove()
    throw error
  }
  return { namespace, address: addressOf, link: (below) => links.get(below)!, remove }
}

function linkOf(below: string): string {
  return `link-${below}`
}

/** Of the relay above the place with this number, as the place sees it. */
function lowerAddress(at: number): string {
  return `10.78.${at}.1`
}

/** Both ends are made where they belong: nothing of it is ever among the machine's own links. */
async function wire(...ends: [string, string, string, string, string, string]): Promise<void> {
  const [one, oneName, oneAddress, other, otherName, otherAddress] = ends
  const peer = ['peer', 'name', otherName, 'netns', other]
  await ip('-n', one, 'link', 'add', oneName, 'type', 'veth', ...peer)
  for (const [namespace, name, address] of [
    [one, oneName, oneAddress],
    [other, otherName, otherAddress]
  ] as const) {
    await ip('-n', namespace, 'address', 'add', address, 'dev', name)
    await ip('-n', namespace, 'link', 'set', name, 'up')
  }
}

async function ip(...words: readonly string[]): Promise<void> {
  await run('ip', words, { timeout: 10_000 })
}

/** Ends what still runs in the namespaces, which is ours, and removes them; a link goes with its namespace. */
const removal = `
for name in "$@"; do
  ip netns pids "$name" 2>/dev/null | xargs -r kill -9
  ip netns del "$name" 2>/dev/null
  rm -rf "${filesOf}/$name"
done
true`

/** Done by a process of its own, which does it as well when this one is killed. */
function removeAtTheEnd(names: readonly string[]): () => Promise<void> {
  const shell = spawn('sh', ['-c', `cat >/dev/null${removal}`, 'sh', ...names], {
    stdio: ['pipe', 'inherit', 'inherit'],
    detached: true
  })
  const ended = once(shell, 'exit')
  return async () => {
    shell.stdin.end()
    await ended
  }
}

/** Of runs whose process is gone. */
async function removeLeftovers(): Promise<void> {
  const folders = ['/run/netns', filesOf]
  const found = await Promise.all(folders.map((folder) => readdir(folder).catch(() => [])))
  const names = new Set(found.flat().filter((name) => isLeftover(name)))
  if (names.size > 0) await run('sh', ['-c', removal, 'sh', ...names], { timeout: 30_000 })
}

export function isLeftover(name: string, isAlive = isRunning): boolean {
  const [, pid] = new RegExp(`^${prefix}-(\\d+)-`).exec(name) ?? []
  return pid !== undefined && !isAlive(Number(pid))
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
