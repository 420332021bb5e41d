import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** What a test shares with all of its process. */
const shared = /\bprocess\.|\bmock\.|\/proc\/self\b|'node:v8'/
/** Mostly real programs: they take their time, whoever starts them. */
const programs = /^test\/(clients|crash|faults|journeys|nested)\//
const atMost = 8

/**
 * What the runner is given for `files`, paths below `root`. To start Node and to load what is tested costs most of them more than
 * their tests do: those of a folder run one after the other in one process, by a file in `folder` that loads them. Who touches
 * what is of the whole process (its memory, its timers, its files) keeps one for itself.
 */
export function groupTests(root: string, files: readonly string[], folder: string): readonly string[] {
  const isAlone = (file: string) => programs.test(file) || shared.test(readFileSync(join(root, file), 'utf8'))
  const byFolder = Map.groupBy(files, (file) => (isAlone(file) ? file : dirname(file)))
  return [...byFolder].flatMap(([name, members]) =>
    parts(members).map((part, at) =>
      part.length === 1 ? part[0]! : write(join(folder, `${fileName(name)}-${at}.mjs`), part)
    )
  )

  function write(path: string, members: readonly string[]): string {
    const names = Object.fromEntries(members.map((member) => [member, pathToFileURL(join(root, member)).href]))
    writeFileSync(path, loading(names))
    return path
  }
}

/** One that cannot be loaded is a test that fails, by its name, and holds up none of the others. */
function loading(files: Readonly<Record<string, string>>): string {
  return `import { test } from 'node:test'

for (const [file, url] of Object.entries(${JSON.stringify(files, undefined, 2)}))
  await import(url).catch((error) =>
    test(\`\${file} is loaded\`, () => {
      throw error
    })
  )
`
}

/** In parts of about equal numbers. */
function parts(members: readonly string[]): readonly (readonly string[])[] {
  const count = Math.ceil(members.length / atMost)
  return Array.from({ length: count }, (_, part) => members.filter((_, at) => at % count === part))
}

function fileName(folder: string): string {
  return folder.replaceAll('/', '-')
}
