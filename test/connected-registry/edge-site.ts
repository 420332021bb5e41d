import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { anImage, type BuiltImage } from '../fixtures/image-builder.ts'
import { type CloudRegistry, createCloudRegistry } from '../simulators/cloud-registry/cloud-registry.ts'
import type { Section } from '../simulators/edge-hub/twins.ts'
import { connectionString } from '../simulators/world.ts'
import { type RunningApp, type RunningAppOptions, runApp, type Status } from './running-app.ts'
import { aSimulatedDevice, moduleId, type SimulatedDevice } from './simulated-device.ts'

export const syncToken = { name: 'siteregistry', password: 'sync=Pa55-word/planted+' }

/** A device with its hub, a cloud above, and the app between them, which already serves `demo/app:1.0`. */
export interface EdgeSite {
  readonly app: RunningApp
  readonly device: SimulatedDevice
  readonly cloud: CloudRegistry
  readonly image: BuiltImage
  /** The twin that all began with. */
  readonly desired: Section
  /** Replaces the twin; resolves with its version when the app has reported what became of it. */
  desire(section: Section): Promise<number>
  /** Resolves when the reported twin fits. */
  reported(fits: (reported: Status) => boolean): Promise<Status>
  invoke(method: string): Promise<{ readonly status: number; readonly payload?: unknown }>
  /** What the app answers to a pull of `demo/app:1.0`. */
  pull(): Promise<number>
}

// Of a whole test with all its parts; it fails then rather than hangs.
const patienceMs = 60_000

export interface EdgeSiteOptions extends RunningAppOptions {
  /** The cloud speaks https, with a certificate that only the device's trust bundle vouches for. */
  readonly secure?: boolean
}

export async function anEdgeSite(t: TestContext, { secure, ...options }: EdgeSiteOptions = {}): Promise<EdgeSite> {
  const device = await aSimulatedDevice(t)
  const actions = ['repositories/demo/*/content/read', 'repositories/demo/*/metadata/read']
  const certificates = secure ? await certificateOf(device) : undefined
  const cloud = createCloudRegistry({ tokens: [{ ...syncToken, actions }], certificates })
  await cloud.start()
  t.after(() => cloud.stop())
  const image = anImage({ seed: 'demo' })
  cloud.contents.put('demo/app', image, '1.0')
  const parent = connectionString(syncToken, cloud.loginServer, secure ? 'https' : 'http')
  const desired = { connectionString: parent, mode: 'ReadOnly', repositories: ['demo/app'] }
  await device.hub.setDesired(moduleId, desired)
  const app = await runApp(t, { edge: device.environment, ...options })

  const signal = AbortSignal.any([t.signal, AbortSignal.timeout(patienceMs)])
  const reported = async (fits: (reported: Status) => boolean) => {
    const matches = (section: Section) => fits(section as unknown as Status)
    return (await device.hub.reportedMatches(moduleId, matches, signal)) as unknown as Status
  }
  const site: EdgeSite = {
    app,
    device,
    cloud,
    image,
    desired,
    reported,
    async desire(section) {
      const { version } = await device.hub.setDesired(moduleId, section)
      const isHeard = ({ settings }: Status) => settings?.version === version || settings?.refusedVersion === version
      await reported(isHeard)
      return version
    },
    invoke: (method) => device.hub.invoke(moduleId, method),
    pull: async () => (await app.get('/v2/demo/app/manifests/1.0')).status
  }
  await app.line(({ msg, result }) => msg === 'iteration ended' && result === 'Succeeded')
  await device.hub.connected(moduleId, signal)
  assert.equal(await site.pull(), 200)
  return site
}

async function certificateOf({
  certificates
}: SimulatedDevice): Promise<{ readonly cert: string; readonly key: string }> {
  const { certificate, privateKey } = await certificates.issue({ names: ['127.0.0.1'] })
  return { cert: certificate, key: privateKey }
}
