import { test } from 'node:test'
import { killSyncs } from './kill-sync.ts'

test('a module that is killed 50 times amid its syncs leaves a sound store, and completes it', (t) => killSyncs(t, 50))
