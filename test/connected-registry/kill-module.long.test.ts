import { test } from 'node:test'
import { killModule } from './kill-module.ts'

test('fifty kills of the module cost nothing that was told', (t) => killModule(t, 50))
