import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { readCertificateAuthorities } from '../../modules/connected-registry/src/trust.ts'
import { selfSigned } from './parent/scripted-server.ts'
import { temporaryFolder } from './storage/temporary-folder.ts'

test('each certificate of ca.crt is an authority of its own', async (t) => {
  const folder = await temporaryFolder()
  const [one, other] = [await selfSigned(t), await selfSigned(t)]
  await writeFile(join(folder, 'ca.crt'), `# ours\n${one.cert}\n${other.cert}`)

  const { pems, problem } = await readCertificateAuthorities(folder)

  assert.equal(problem, undefined)
  assert.deepEqual(pems, [String(one.cert).trim(), String(other.cert).trim()])
})

test('without the file there is none, and one that cannot be read is told of', async () => {
  const folder = await temporaryFolder()
  assert.deepEqual(await readCertificateAuthorities(folder), { pems: [] })

  for (const text of ['no certificate', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n']) {
    await writeFile(join(folder, 'ca.crt'), text)

    const { pems, problem } = await readCertificateAuthorities(folder)

    assert.deepEqual(pems, [])
    assert.equal(problem?.code, 'CA_FILE_REFUSED')
    assert.match(problem?.description ?? '', /ca\.crt: /)
  }
})
