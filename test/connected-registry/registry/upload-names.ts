import { RegistryError } from '../../../modules/connected-registry/src/protocol/errors.ts'
import type { UploadName } from '../../../modules/connected-registry/src/registry/upload-sessions.ts'
import type { Uploads } from '../../../modules/connected-registry/src/registry/uploads.ts'
import { keys } from '../../../modules/connected-registry/src/storage/layout.ts'
import type { RecordStore } from '../../../modules/connected-registry/src/storage/record-store.ts'

/** A new session, by `writer` in `app` unless said otherwise. */
export async function begin(uploads: Uploads, repository = 'app', identity = 'writer'): Promise<UploadName> {
  return { id: await uploads.begin(repository, identity), repository, identity }
}

/** For `assert.rejects`: a RegistryError of this code. */
export function refusal(code: string) {
  return (error: unknown) => error instanceof RegistryError && error.code === code
}

/** How many sessions are recorded. */
export async function recordsOf(records: RecordStore): Promise<number> {
  return (await records.list(keys.uploads, { limit: 10_000 })).length
}
