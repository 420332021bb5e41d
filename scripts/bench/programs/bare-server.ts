import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { manifestType } from '../registry-client.ts'

// Answers everything with as many bytes as a small manifest has, and tells its port. It ends with whoever started it.

const body = Buffer.alloc(500, 'x')
const headers = { 'content-type': manifestType, 'content-length': body.length }

const server = createServer((_, response) => response.writeHead(200, headers).end(body))
server.listen(0, '127.0.0.1')
await once(server, 'listening')
process.send?.((server.address() as AddressInfo).port)
process.once('disconnect', () => process.exit())
