import { test } from 'node:test'
import { killCommits, killRangedUploads, killUpdates, killUploads } from './kills.ts'

test('records and half batches after fifty kills', (t) => killCommits(t, { kills: 50 }))

test('the same where writers end and start between the commits', (t) => killCommits(t, { kills: 50, rests: true }))

test('blobs after fifty kills', (t) => killUploads(t, 50))

test('ranges of an upload after fifty kills', (t) => killRangedUploads(t, 50))

test('the state file after fifty kills', (t) => killUpdates(t, 50))
