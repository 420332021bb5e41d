import { test } from 'node:test'
import { killWork } from './kill-work.ts'

test('twenty kills under load cost nothing that was acknowledged, and nothing half done is shown', (t) =>
  killWork(t, 20))
