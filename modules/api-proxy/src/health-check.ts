import { probe } from '@connected-registry/edge-module/probe.ts'
import { readConfig } from './config.ts'

// What the image's HEALTHCHECK runs, inside of the container: 0 when the door can serve, 1 when not, and why.

const { host, port, certificate } = readConfig()
const { isReady, text } = await probe({ host, port, schemes: [certificate.kind === 'off' ? 'http' : 'https'] })
process.stdout.write(`${text}\n`)
process.exitCode = isReady ? 0 : 1
