import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ParentError, type ParentErrorCode } from '../../../modules/connected-registry/src/parent/parent-error.ts'
import { detailOf } from '../../../modules/connected-registry/src/sync/problems.ts'

const url = new URL('https://parent.example/v2/')
const failed = (code: ParentErrorCode) => new ParentError(code, { operation: 'tags', url })

test('a failure of the parent is named by its own code', () => {
  const { type, code, description } = detailOf(failed('UNTRUSTED'), 'plant/a')

  assert.deepEqual([type, code], ['Parent', 'UNTRUSTED'])
  assert.match(description, /^plant\/a: tags: parent\.example/)
})

test('a full disk has the name that ACR gives it', () => {
  const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })

  assert.deepEqual(detailOf(full, 'plant/a'), {
    type: 'Disk',
    code: 'DiskError',
    description: 'plant/a: no space left on device'
  })
})

test('what nobody thought of keeps its own words', () => {
  const strange = Object.assign(new Error('strange'), { code: 'ERR_STRANGE' })

  assert.deepEqual(detailOf(strange, 'plant/a'), { type: 'Content', code: 'INTERNAL', description: 'plant/a: strange' })
})
