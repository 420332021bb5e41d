import { RegistryError } from '../protocol/errors.ts'
import { keys } from '../storage/layout.ts'
import { ConflictError, type Json, type RecordStore } from '../storage/record-store.ts'

/** Which instance is the child of a name. */
export type Activation = {
  readonly instanceId: string
  /** Of the program that runs there. */
  readonly version: string
  /** RFC 3339, UTC. */
  readonly activatedAt: string
}

/**
 * One active instance a name, until an operator frees it (ACR, "Activation"). Survives restarts on both sides. Who was freed gave
 * way to another: it does not come back by itself, however long it runs on.
 */
export interface Activations {
  /** Throws RegistryError ALREADY_ACTIVATED where another instance is, DEACTIVATED where this one was freed. */
  activate(name: string, instance: Pick<Activation, 'instanceId' | 'version'>): Promise<Activation>
  /** Throws RegistryError NOT_ACTIVATED unless this instance is the active one, DEACTIVATED where it was freed. */
  require(name: string, instanceId: string | undefined): Promise<Activation>
  /** Frees the name for another instance. False: none was active. */
  deactivate(name: string): Promise<boolean>
  /** Those that were freed may be activated again. False: there are none. */
  readmit(name: string): Promise<boolean>
}

/** Of a name so many are remembered: nobody replaces a device more often. */
const freedLimit = 50

export function createActivations(records: RecordStore, now: () => Date): Activations {
  const get = async (name: string) => (await records.get(keys.activation(name))) as Activation | undefined
  const freedOf = async (name: string) => (await records.get(keys.freed(name))) as readonly string[] | undefined

  async function activate(
    name: string,
    { instanceId, version }: Pick<Activation, 'instanceId' | 'version'>
  ): Promise<Activation> {
    const known = await get(name)
    const freed = await freedOf(name)
    if (freed?.includes(instanceId)) throw new RegistryError('DEACTIVATED', { name })
    if (known && known.instanceId !== instanceId) throw new RegistryError('ALREADY_ACTIVATED', { name })
    if (known?.version === version) return known
    const activation = { instanceId, version, activatedAt: known?.activatedAt ?? now().toISOString() }
    try {
      await records.commit({
        put: [[keys.activation(name), activation]],
        expect: [
          [keys.activation(name), known as Json | undefined],
          [keys.freed(name), freed]
        ]
      })
      return activation
    } catch (error) {
      // Somebody was faster: then it is theirs, or ours already.
      if (error instanceof ConflictError) return activate(name, { instanceId, version })
      throw error
    }
  }

  return {
    activate,
    async require(name, instanceId) {
      const known = await get(name)
      if (known && known.instanceId === instanceId) return known
      const isFreed = instanceId !== undefined && (await freedOf(name))?.includes(instanceId)
      throw new RegistryError(isFreed ? 'DEACTIVATED' : 'NOT_ACTIVATED', { name })
    },
    async deactivate(name) {
      const known = await get(name)
      if (!known) return false
      const freed = [...((await freedOf(name)) ?? []), known.instanceId].slice(-freedLimit)
      await records.commit({ put: [[keys.freed(name), freed]], remove: [keys.activation(name)] })
      return true
    },
    async readmit(name) {
      const freed = await freedOf(name)
      if (freed) await records.commit({ remove: [keys.freed(name)] })
      return freed !== undefined
    }
  }
}
