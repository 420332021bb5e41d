import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type EdgeEnvironment, readEdgeEnvironment } from '@connected-registry/edge-module/env.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../simulators/edge-hub/certificates.ts'
import { createEdgeHub, type EdgeHub } from '../simulators/edge-hub/edge-hub.ts'
import { runtimeVariables } from '../simulators/edge-hub/module-environment.ts'
import { createWorkloadApi, type WorkloadApi } from '../simulators/edge-hub/workload-api.ts'
import { temporaryFolder } from './storage/temporary-folder.ts'

export const moduleId = 'connected-registry'
const identity = { deviceId: 'edge-01', iotHubHost: 'hub.azure-devices.example' }

/** What an edge device has for its modules, both running: the hub and the workload API. */
export interface SimulatedDevice {
  readonly hub: EdgeHub
  readonly workload: WorkloadApi
  readonly certificates: CertificateAuthority
  /** What the runtime tells the module. */
  readonly variables: Readonly<Record<string, string>>
  readonly environment: EdgeEnvironment
}

export async function aSimulatedDevice(t: TestContext): Promise<SimulatedDevice> {
  const modules = { [moduleId]: { key: randomBytes(32).toString('base64') } }
  const certificates = await createCertificateAuthority()
  const hub = createEdgeHub({ ...identity, modules, certificates })
  const workload = createWorkloadApi({ socketPath: join(await temporaryFolder(), 'w.sock'), modules, certificates })
  await Promise.all([hub.start(), workload.start()])
  t.after(() => Promise.all([hub.stop(), workload.stop()]))
  const { gatewayHost } = hub
  const variables = runtimeVariables({ ...identity, module: moduleId, gatewayHost, workloadUri: workload.uri })
  return { hub, workload, certificates, variables, environment: readEdgeEnvironment(variables)! }
}
