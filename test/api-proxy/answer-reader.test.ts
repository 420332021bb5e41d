import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MalformedAnswerError } from '@connected-registry/edge-module/http-answer/answer-head.ts'
import fc from 'fast-check'
import { createAnswerReader } from '../../modules/api-proxy/src/answer-reader.ts'

/** What is read of these bytes, in pieces that end where the cuts say. */
function read(bytes: Buffer, cuts: readonly number[] = [], method = 'GET') {
  let continues = 0
  const reader = createAnswerReader(method, () => (continues += 1))
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  const content = ends.map((end, index) => Buffer.from(reader.take(bytes.subarray(ends[index - 1] ?? 0, end))))
  return { text: Buffer.concat(content).toString('latin1'), continues, reader }
}

const answer = (head: string, body = '') => Buffer.from(`HTTP/1.1 ${head}\r\n\r\n${body}`, 'latin1')

test('an answer is the same however its pieces are cut, and what comes behind it spoils the connection', () => {
  const cuts = fc.array(fc.nat(), { maxLength: 12 })
  const framing = fc.constantFrom('counted', 'chunked')
  fc.assert(
    fc.property(fc.string({ unit: 'binary-ascii' }), framing, fc.boolean(), cuts, (body, kind, hasMore, at) => {
      const chunk = body === '' ? '' : `${body.length.toString(16)}\r\n${body}\r\n`
      const bytes =
        kind === 'counted'
          ? answer(`200 OK\r\nContent-Length: ${body.length}`, body)
          : answer('200 OK\r\nTransfer-Encoding: chunked', `${chunk}0\r\n\r\n`)
      const interim = answer('100 Continue')

      const { text, continues, reader } = read(Buffer.concat([interim, bytes, Buffer.from(hasMore ? 'H' : '')]), at)

      assert.deepEqual([text, continues, reader.isOver, reader.isClean], [body, 1, true, !hasMore])
    })
  )
})

test('HEAD, 204 and 304 have no body, whatever their headers say', () => {
  const head = '\r\nContent-Length: 5'

  assert.equal(read(answer(`200 OK${head}`), [], 'HEAD').reader.isClean, true)
  assert.equal(read(answer('204 No Content')).reader.isClean, true)
  assert.equal(read(answer(`304 Not Modified${head}`)).reader.isClean, true)
  assert.equal(read(answer(`304 Not Modified${head}`, 'hello')).reader.isClean, false)
})

test('without a length or chunks the end of the connection is the end, and else it is a cut', () => {
  const open = read(answer('200 OK', 'hello')).reader
  const counted = read(answer('200 OK\r\nContent-Length: 6', 'hello')).reader
  const chunked = read(answer('200 OK\r\nTransfer-Encoding: chunked', '5\r\nhello\r\n')).reader
  const headless = read(Buffer.from('HTTP/1.1 200 OK\r\n')).reader

  assert.equal(open.isOver, false)
  assert.deepEqual(
    [open, counted, chunked, headless].map((reader) => reader.end()),
    [true, false, false, false]
  )
})

test('an answer that closes its connection leaves none to be used again', () => {
  assert.equal(read(answer('200 OK\r\nContent-Length: 0\r\nConnection: close')).reader.isClean, false)
  assert.equal(read(Buffer.from('HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n')).reader.isClean, false)
})

test('a change of protocol, and a head without an end, are refused', () => {
  const malformed = { name: 'MalformedAnswerError' }

  assert.throws(() => read(answer('101 Switching Protocols\r\nUpgrade: x')), malformed)
  assert.throws(() => read(Buffer.from(`HTTP/1.1 200 OK\r\nX: ${'y'.repeat(20_000)}`), [4000, 9000]), malformed)
})

test('any bytes are an answer, the beginning of one, or malformed', () => {
  const part = fc.constantFrom(
    'HTTP/1.1 200 OK',
    '\r\n',
    '\r\n\r\n',
    'Content-Length: 3',
    'abc',
    '\0',
    'HTTP/1.1 100 C'
  )
  fc.assert(
    fc.property(fc.array(part), fc.array(fc.nat(), { maxLength: 5 }), (parts, cuts) => {
      try {
        read(Buffer.from(parts.join('')), cuts)
      } catch (error) {
        assert.ok(error instanceof MalformedAnswerError)
      }
    })
  )
})
