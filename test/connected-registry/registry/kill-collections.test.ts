import { test } from 'node:test'
import { killCollections } from './kill-collections.ts'

test('kill -9 in a collection leaves every tag with its whole tree, and nothing that stays for ever', (t) =>
  killCollections(t, 5))
