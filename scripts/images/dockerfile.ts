/** What the last stage of one of our Dockerfiles says of the image, in Docker's words. */
export interface ImageDescription {
  readonly workingFolder: string
  readonly environment: readonly string[]
  readonly user: string
  readonly ports: readonly number[]
  readonly volumes: readonly string[]
  readonly command: readonly string[]
  readonly healthcheck?: Healthcheck
  /** Folders of the repository whose files the image holds, from all stages. */
  readonly sources: readonly string[]
}

export interface Healthcheck {
  readonly command: readonly string[]
  /** Seconds. */
  readonly interval?: number
  readonly timeout?: number
  readonly startPeriod?: number
  readonly retries?: number
}

const stages = /^FROM /m

/**
 * Reads the few instructions that our Dockerfiles use, so that an image built without an engine says the same as one built
 * with it. Throws an Error for an instruction of the last stage that it does not know: nothing is left out unseen.
 */
export function readDockerfile(text: string): ImageDescription {
  const lines = text
    .replaceAll(/\\\n\s*/g, ' ')
    .split('\n')
    .filter((line) => !/^\s*(#|$)/.test(line))
  const last = lines.findLastIndex((line) => stages.test(line))
  const found = lines.slice(last + 1).map(splitInstruction)
  const unknown = found.find(([name]) => !known.includes(name))
  if (unknown) throw new Error(`the instruction ${unknown[0]} of the Dockerfile is not known here`)
  const all = (name: string) => found.filter(([instruction]) => instruction === name).map(([, value]) => value)
  return {
    workingFolder: all('WORKDIR').at(-1) ?? '/',
    environment: all('ENV').flatMap(readVariables),
    user: all('USER').at(-1) ?? 'root',
    ports: all('EXPOSE').map(Number),
    volumes: all('VOLUME'),
    command: JSON.parse(all('CMD').at(-1) ?? '[]'),
    healthcheck: all('HEALTHCHECK').map(readHealthcheck).at(-1),
    sources: lines.flatMap((line) => /^COPY (modules\/[^/]+\/src) \1$/.exec(line)?.[1] ?? [])
  }
}

/** `NAME=value NAME="value with spaces"`. */
function readVariables(value: string): readonly string[] {
  const variables = value.match(/\w+=(?:"[^"]*"|[^\s"]*)(?=\s|$)/g) ?? []
  if (variables.join(' ') !== value.replaceAll(/\s+/g, ' '))
    throw new Error(`ENV ${value} of the Dockerfile is not known here`)
  return variables.map((variable) => variable.replaceAll('"', ''))
}

/** `--interval=30s ... CMD ["program"]`, with durations in whole seconds. */
function readHealthcheck(value: string): Healthcheck {
  const [, options = '', command] = /^((?:--\S+ )*)CMD (\[.*\])$/.exec(value) ?? []
  if (command === undefined) throw new Error(`the HEALTHCHECK ${value} of the Dockerfile is not known here`)
  const option = (name: string) => {
    const [, digits] = new RegExp(`--${name}=(\\d+)s? `).exec(options) ?? []
    return digits === undefined ? undefined : Number(digits)
  }
  return {
    command: JSON.parse(command),
    interval: option('interval'),
    timeout: option('timeout'),
    startPeriod: option('start-period'),
    retries: option('retries')
  }
}

const known = ['COPY', 'WORKDIR', 'ENV', 'USER', 'EXPOSE', 'VOLUME', 'CMD', 'HEALTHCHECK']

function splitInstruction(line: string): readonly [name: string, value: string] {
  const [, name = line, value = ''] = /^(\w+)\s+(.*)$/.exec(line) ?? []
  return [name.toUpperCase(), value.trim()]
}
