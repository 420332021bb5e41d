import { test } from 'node:test'
import { killCommits, killUpdates } from './kills.ts'

test('kill -9 costs no record that was acknowledged and leaves no half batch', (t) => killCommits(t, 5))

test('kill -9 in an update leaves the state before or after it', (t) => killUpdates(t, 5))
