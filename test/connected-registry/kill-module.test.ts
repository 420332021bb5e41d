import { test } from 'node:test'
import { killModule } from './kill-module.ts'

test('kill -9 of the module amid pushes, pulls, deletes, an upload and a sync costs nothing that was told', (t) =>
  killModule(t, 5))
