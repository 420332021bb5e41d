import { test } from 'node:test'
import { killRangedUploads, killUploads } from './kills.ts'

test('kill -9 costs no blob that was acknowledged and shows none that is not whole', (t) => killUploads(t, 5))

test('kill -9 costs no range that was acknowledged, and the upload can be completed', (t) => killRangedUploads(t, 5))
