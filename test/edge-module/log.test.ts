import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog } from '../../modules/edge-module/src/log.ts'

function logged(err: unknown): { readonly text: string; readonly line: Record<string, unknown> } {
  let text = ''
  const destination = {
    write(line: string) {
      text += line
    }
  }
  createLog({ module: 'test', destination }).error({ err }, 'failed')
  return { text, line: JSON.parse(text) }
}

test('an error is logged with its code, its words and its causes', () => {
  const cause = Object.assign(new TypeError('the socket is closed'), { code: 'UND_ERR_SOCKET' })

  const { line } = logged(new Error('the request failed', { cause }))

  const { type, message, stack, cause: told } = line.err as Record<string, unknown>
  assert.deepEqual([type, message], ['Error', 'the request failed'])
  assert.match(String(stack), /log\.test\.ts/)
  const { type: causeType, code, message: causeMessage } = told as Record<string, unknown>
  assert.deepEqual([causeType, code, causeMessage], ['TypeError', 'UND_ERR_SOCKET', 'the socket is closed'])
})

test('what an error carries beside its words stays out of the log', () => {
  const carried = {
    rawPacket: Buffer.from('authorization: Basic planted'),
    data: 'location: https://storage.example/?sig=planted',
    options: { headers: { authorization: 'planted' } },
    response: { body: 'planted' }
  }

  const cause = Object.assign(new Error('bad packet'), carried)
  const { text } = logged(Object.assign(new Error('failed', { cause }), carried))

  assert.doesNotMatch(text, /planted|112,108,97,110/)
})

test('an error that is its own cause, and what is no error, are logged too', () => {
  const circle = new Error('round and round')
  circle.cause = circle

  assert.equal((logged(circle).line.err as Record<string, unknown>).message, 'round and round')
  assert.equal(logged('just a text').line.err, 'just a text')
  assert.equal(logged(undefined).line.msg, 'failed')
})
