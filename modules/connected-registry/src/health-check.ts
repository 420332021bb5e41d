import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { probe, type Scheme } from '@connected-registry/edge-module/probe.ts'
import { readConfig } from './config.ts'

// What the image's HEALTHCHECK runs, inside of the container: 0 when the registry can serve, 1 when not, and why. A file of
// its own, for `main.ts` loads everything: a device runs this all day.

const { host, port, certificateVolume, certificateSource } = readConfig()
const isSecure = certificateSource === 'workload' || existsSync(join(certificateVolume, 'tls.crt'))
// The files may have come since the registry began without any.
const schemes: readonly Scheme[] = isSecure ? ['https', 'http'] : ['http', 'https']
const { isReady, text } = await probe({ host, port, schemes })
process.stdout.write(`${text}\n`)
process.exitCode = isReady ? 0 : 1
