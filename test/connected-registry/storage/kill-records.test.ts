import { test } from 'node:test'
import { killCommits, killUpdates } from './kills.ts'

test('kill -9 costs no record that was acknowledged and leaves no half batch', (t) => killCommits(t, { kills: 5 }))

test('so it is where writers end and start between the commits', (t) => killCommits(t, { kills: 3, rests: true }))

test('kill -9 in an update leaves the state before or after it', (t) => killUpdates(t, 5))
