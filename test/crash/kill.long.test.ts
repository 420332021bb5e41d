import { test } from 'node:test'
import { killWork } from './kill-work.ts'

test('two hundred kills under load cost nothing that was acknowledged', (t) => killWork(t, 200))
