import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  MalformedAnswerError,
  parseAnswerHead,
  parseFramedHead
} from '../../../modules/edge-module/src/http-answer/answer-head.ts'
import { createChunkedBody } from '../../../modules/edge-module/src/http-answer/chunked-body.ts'

const head = (...lines: readonly string[]) => parseFramedHead(lines.join('\r\n'))
const malformed = { name: 'MalformedAnswerError' }

test('a head tells the status, the headers and how long the body is', () => {
  const answer = head(
    'HTTP/1.1 206 Partial Content',
    'Content-Length: 12',
    'ETag:"a"',
    'Vary: a',
    'vary:  b ',
    'Connection: Close'
  )

  assert.ok(answer !== 'other')
  assert.deepEqual([answer.status, answer.contentLength, answer.keepAlive], [206, 12, false])
  assert.deepEqual(
    { ...answer.headers },
    { 'content-length': '12', etag: '"a"', vary: ['a', 'b'], connection: 'Close' }
  )
})

test('a copy of a head has all of it', () => {
  const answer = head('HTTP/1.1 200 OK', 'Content-Length: 0', 'ETag: "a"')

  const copy = { ...(answer as object) }

  assert.deepEqual(Object.keys(copy).sort(), ['contentLength', 'headers', 'keepAlive', 'status'])
})

test('what could be read in two ways is refused', () => {
  const ok = 'HTTP/1.1 200 OK'
  for (const lines of [
    [ok, 'Content-Length: 5', 'Content-Length: 5'],
    [ok, 'Content-Length: 5, 5'],
    [ok, 'Content-Length: +5'],
    [ok, 'Content-Length: 0x5'],
    [ok, 'Content-Length: '],
    [ok, 'Content-Length: 5', 'Transfer-Encoding: chunked'],
    [ok, 'Transfer-Encoding: gzip, chunked'],
    [ok, 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'],
    [ok, 'Content-Length : 5'],
    [ok, 'Content-Length: 5', ' 0'],
    [ok, 'X: a\nContent-Length: 5'],
    [ok, 'X: a\rContent-Length: 5'],
    [ok, 'X: \0', 'Content-Length: 5'],
    [ok, ': x', 'Content-Length: 5'],
    ['HTTP/1.1 200', 'nonsense'],
    ['HTTP/1.1 600 No'],
    ['HTTP/1.1 20 OK'],
    ['HTTP/2 200 OK'],
    ['http/1.1 200 OK'],
    [' HTTP/1.1 200 OK'],
    ['ICY 200 OK'],
    [ok, ...Array.from({ length: 101 }, (_, index) => `x-${index}: y`)]
  ]) {
    assert.throws(() => head(...lines), malformed, lines.slice(0, 3).join(' | '))
  }
})

test('a body without an end of its own is left to others', () => {
  for (const lines of [
    ['HTTP/1.1 200 OK'],
    ['HTTP/1.0 200 OK', 'Content-Length: 5'],
    ['HTTP/1.1 204 No Content', 'Content-Length: 0'],
    ['HTTP/1.1 304 Not Modified', 'Content-Length: 5'],
    ['HTTP/1.1 100 Continue']
  ]) {
    assert.equal(head(...lines), 'other')
  }
})

test('the headers are also there as they came, and any framing is told', () => {
  const raw = (...lines: readonly string[]) => parseAnswerHead(lines.join('\r\n'))

  const kept = raw('HTTP/1.1 200', 'Vary: a', 'vary:  b ', 'Transfer-Encoding: Chunked')
  const old = raw('HTTP/1.0 200 OK')
  const interim = raw('HTTP/1.1 100 Continue')

  assert.deepEqual(kept.rawHeaders, ['Vary', 'a', 'vary', 'b', 'Transfer-Encoding', 'Chunked'])
  assert.deepEqual([kept.isChunked, kept.contentLength, kept.keepAlive], [true, undefined, true])
  assert.deepEqual([old.isChunked, old.contentLength, old.keepAlive], [false, undefined, false])
  assert.equal(interim.status, 100)
  assert.throws(() => raw('HTTP/1.0 200 OK', 'Transfer-Encoding: chunked'), malformed)
})

test('what stands around a value is left out, and nothing of the value', () => {
  const { headers } = parseAnswerHead('HTTP/1.1 200 OK\r\nX-Name: \t voil\xc3\xa0\t \r\nX-Blank: \t \r\nX-Two: a  b')

  assert.deepEqual({ ...headers }, { 'x-name': 'voil\xc3\xa0', 'x-blank': '', 'x-two': 'a  b' })
})

test('any text is a head, another shape or malformed', () => {
  const part = fc.constantFrom(
    'HTTP/1.1 200 OK',
    '\r\n',
    '\n',
    '\r',
    ': ',
    'Content-Length',
    '5',
    ',',
    ' ',
    '\0',
    'chunked',
    'Transfer-Encoding'
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.array(part).map((parts) => parts.join(''))
      ),
      (text) => {
        try {
          const answer = parseFramedHead(text)
          if (answer !== 'other') assert.ok(answer.contentLength === undefined || answer.contentLength >= 0)
        } catch (error) {
          assert.ok(error instanceof MalformedAnswerError)
        }
      }
    )
  )
})

/** The bytes in pieces that end where the cuts say. */
function cutAt(bytes: Uint8Array, cuts: readonly number[]): readonly Uint8Array[] {
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end))
}

function decode(bytes: Uint8Array, cuts: readonly number[]) {
  const body = createChunkedBody()
  const content = cutAt(bytes, cuts).flatMap((piece) => [...body.read(piece)].map((part) => Buffer.from(part)))
  return { content: Buffer.concat(content), isOver: body.isOver, excess: body.excess }
}

test('a chunked body is the same however its pieces are cut, and knows what comes behind it', () => {
  const chunk = fc.uint8Array({ minLength: 1, maxLength: 40 })
  const cuts = fc.array(fc.nat(), { maxLength: 12 })
  fc.assert(
    fc.property(fc.array(chunk), fc.boolean(), fc.uint8Array({ maxLength: 9 }), cuts, (chunks, hasMore, behind, at) => {
      const extension = hasMore ? ' ; name="value"' : ''
      const framed = chunks.map((bytes) =>
        Buffer.concat([Buffer.from(`${bytes.length.toString(16)}${extension}\r\n`), bytes, Buffer.from('\r\n')])
      )
      const end = Buffer.from(hasMore ? '0\r\nDigest: x\r\n\r\n' : '000\r\n\r\n')

      const decoded = decode(Buffer.concat([...framed, end, behind]), at)

      assert.deepEqual(decoded, { content: Buffer.concat(chunks), isOver: true, excess: behind.length })
    })
  )
})

test('what is no chunk is refused wherever it is cut', () => {
  for (const text of [
    '5\nhello\r\n',
    '5\r\nhelloX\r\n',
    '-5\r\n',
    '0x5\r\n',
    '5 \r\n',
    '\r\n',
    'fffffffffffff\r\n',
    '5\r\rhello',
    '5;\0\r\n',
    `5;${'x'.repeat(2000)}\r\n`
  ]) {
    for (const cut of [0, 1, 2, 5]) assert.throws(() => decode(Buffer.from(text, 'latin1'), [cut]), malformed, text)
  }
  assert.throws(() => decode(Buffer.from(`0\r\n${`x: ${'y'.repeat(900)}\r\n`.repeat(20)}\r\n`), []), malformed)
})

test('any bytes are a chunked body, the beginning of one, or malformed', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.array(fc.nat(), { maxLength: 5 }), (bytes, cuts) => {
      try {
        decode(bytes, cuts)
      } catch (error) {
        assert.ok(error instanceof MalformedAnswerError)
      }
    })
  )
})
