import type { ParentConnection } from './protocol/connection-string.ts'
import { keys } from './storage/layout.ts'
import type { RecordStore } from './storage/record-store.ts'

/** Whether this registry once held all that its parent has: before that, what is absent here may still come. */
export interface FirstSync {
  isComplete(connection: ParentConnection | undefined): boolean
  /** An iteration over the whole scope succeeded. */
  completed(connection: ParentConnection): Promise<void>
}

export async function loadFirstSync(records: RecordStore): Promise<FirstSync> {
  let completedWith = await records.get(keys.firstSync)
  return {
    isComplete: (connection) => connection !== undefined && completedWith === parentName(connection),
    async completed(connection) {
      const name = parentName(connection)
      if (completedWith === name) return
      await records.commit({ put: [[keys.firstSync, name]] })
      completedWith = name
    }
  }
}

/** Another parent has other content, and another config. */
export function parentName({
  loginServer,
  registryName
}: Pick<ParentConnection, 'loginServer' | 'registryName'>): string {
  return `${registryName.toLowerCase()} of ${loginServer}`
}
