import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createLog } from '@connected-registry/edge-module/log.ts'
import { createReporting } from '../../modules/connected-registry/src/reporting.ts'
import { defaultSettings } from '../../modules/connected-registry/src/settings.ts'
import type { SettingsSources } from '../../modules/connected-registry/src/settings-sources.ts'
import { createClosedSite } from '../../modules/connected-registry/src/site.ts'
import type { Json } from '../../modules/connected-registry/src/storage/record-store.ts'
import { openStore, type Store } from '../../modules/connected-registry/src/store.ts'
import { createStatusBoard } from '../../modules/connected-registry/src/sync/status.ts'
import { listBlobs } from '../contracts/blob-content.ts'
import { aStoredImage } from './integrity/damaged-store.ts'

const log = createLog({ module: 'test', level: 'None' })

/** The reporting of a registry whose store is as given. */
async function reportingOf(t: TestContext, change: (store: Store) => Promise<Store> | Store) {
  const { dataVolume } = await aStoredImage(t)
  const store = await openStore(dataVolume)
  t.after(() => store.close())
  const board = createStatusBoard(() => new Date())
  const sources: SettingsSources = {
    current: defaultSettings,
    problems: [],
    twinVersion: undefined,
    takeParent: () => true,
    takeTwin: () => true,
    recallTwin: () => {},
    isIncomplete: false,
    lacksNotifications: false,
    lacksTokens: false,
    onChange: () => {},
    close: () => {}
  }
  const reporting = createReporting({ sources, board, dataVolume, log })
  const site = await createClosedSite({ settings: () => defaultSettings, board, log })
  reporting.use({ site, store: await change(store), isTwinAwaited: () => false })
  return { reporting, store }
}

function details(status: Record<string, Json>): readonly string[] {
  return (status.statusDetails as { code: string; description: string }[]).map(
    ({ code, description }) => `${code}: ${description}`
  )
}

test('a disk that is nearly full is a status detail', async (t) => {
  const problem = 'the disk is nearly full: less than 256 MiB are free'
  const { reporting } = await reportingOf(t, (store) => ({ ...store, disk: { ...store.disk, problem } }))

  assert.ok(details(await reporting.status()).includes(`DiskError: ${problem}`))
})

test('content in quarantine is a status detail', async (t) => {
  const { reporting, store } = await reportingOf(t, (same) => same)
  const digest = (await listBlobs(store.blobs))[0]!

  await store.blobs.quarantine(digest)

  const found = details(await reporting.status())
  assert.ok(found.includes(`CONTENT_DAMAGED: 1 damaged, waiting to be brought anew: ${digest}`), found.join('\n'))
})
