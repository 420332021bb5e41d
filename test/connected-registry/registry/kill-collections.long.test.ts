import { test } from 'node:test'
import { killCollections } from './kill-collections.ts'

test('fifty kills -9 in collections leave every tag with its whole tree, and nothing that stays for ever', (t) =>
  killCollections(t, 50))
