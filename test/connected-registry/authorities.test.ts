import assert from 'node:assert/strict'
import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { followAuthorities } from '../../modules/connected-registry/src/authorities.ts'
import { selfSigned } from './parent/scripted-server.ts'
import { temporaryFolder } from './storage/temporary-folder.ts'

/** Follows `ca.crt`, which holds the text at first; `write` resolves when another one was read, undefined: it is gone. */
async function follow(t: TestContext, first?: string) {
  const folder = await temporaryFolder()
  const path = join(folder, 'ca.crt')
  let told = Promise.withResolvers<void>()
  if (first !== undefined) await writeFile(path, first)
  const watched = { folder, name: 'ca.crt', code: 'CA_FILE_REFUSED', lookMs: 5 } as const
  const authorities = await followAuthorities({ ...watched, onChange: () => told.resolve() })
  t.after(authorities.close)
  async function write(text: string | undefined): Promise<void> {
    told = Promise.withResolvers()
    await writeFile(`${path}.new`, text ?? '')
    await (text === undefined ? rm(path) : rename(`${path}.new`, path))
    await told.promise
  }
  return { authorities, write }
}

const aCertificate = async (t: TestContext) => String((await selfSigned(t)).cert).trim()

test('each certificate of the file is an authority of its own', async (t) => {
  const [one, other] = [await aCertificate(t), await aCertificate(t)]

  const { authorities } = await follow(t, `# ours\n${one}\n${other}\n`)

  assert.equal(authorities.problem, undefined)
  assert.deepEqual(authorities.pems, [one, other])
})

test('without the file there are none, and one that cannot be read is told of', async (t) => {
  assert.deepEqual((await follow(t)).authorities.pems, undefined)

  for (const text of ['no certificate', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n']) {
    const { authorities } = await follow(t, text)

    assert.deepEqual(authorities.pems, [])
    assert.equal(authorities.problem?.code, 'CA_FILE_REFUSED')
    assert.match(authorities.problem?.description ?? '', /ca\.crt: /)
  }
})

test('a file that comes or is replaced comes into force, and the former one stays where it is broken or gone', async (t) => {
  const [one, other] = [await aCertificate(t), await aCertificate(t)]
  const { authorities, write } = await follow(t)
  let changes = 0
  authorities.onChange(() => changes++)

  await write(one)
  assert.deepEqual([authorities.pems, authorities.problem], [[one], undefined])
  await write('half a certificate')
  assert.deepEqual(authorities.pems, [one])
  assert.match(authorities.problem?.description ?? '', /it holds no certificate/)
  await write(`${other}\n${one.slice(0, -40)}`)
  assert.deepEqual(authorities.pems, [one])
  assert.match(authorities.problem?.description ?? '', /of the 2 certificates that begin in it 1 are whole/)
  await write(undefined)
  assert.deepEqual(authorities.pems, [one])
  assert.match(authorities.problem?.description ?? '', /it is gone/)
  await write(other)
  assert.deepEqual([authorities.pems, authorities.problem], [[other], undefined])
  assert.equal(changes, 2)
})
