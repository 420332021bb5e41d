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

/** One active instance a name, until an operator frees it (ACR, "Activation"). Survives restarts on both sides. */
export interface Activations {
  /** Throws RegistryError ALREADY_ACTIVATED where another instance is. */
  activate(name: string, instance: Pick<Activation, 'instanceId' | 'version'>): Promise<Activation>
  /** Throws RegistryError NOT_ACTIVATED unless this instance is the active one. */
  require(name: string, instanceId: string | undefined): Promise<Activation>
  /** False: there was none. */
  deactivate(name: string): Promise<boolean>
}

export function createActivations(records: RecordStore, now: () => Date): Activations {
  const get = async (name: string) => (await records.get(keys.activation(name))) as Activation | undefined

  async function activate(
    name: string,
    { instanceId, version }: Pick<Activation, 'instanceId' | 'version'>
  ): Promise<Activation> {
    const known = await get(name)
    if (known && known.instanceId !== instanceId) throw new RegistryError('ALREADY_ACTIVATED', { name })
    if (known?.version === version) return known
    const activation = { instanceId, version, activatedAt: known?.activatedAt ?? now().toISOString() }
    try {
      await records.commit({
        put: [[keys.activation(name), activation]],
        expect: [[keys.activation(name), known as Json | undefined]]
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
      if (!known || known.instanceId !== instanceId) throw new RegistryError('NOT_ACTIVATED', { name })
      return known
    },
    async deactivate(name) {
      const known = await get(name)
      if (known) await records.commit({ remove: [keys.activation(name)] })
      return known !== undefined
    }
  }
}
