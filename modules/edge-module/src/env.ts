/** What edgeAgent tells a module it starts. Hosts may carry a port only where a developer put one. */
export interface RuntimeEnvironment {
  readonly kind: 'runtime'
  /** `unix:///path.sock` or `http://host:port/`. */
  readonly workloadUri: string
  readonly deviceId: string
  readonly moduleId: string
  readonly generationId: string
  readonly iotHubHost: string
  readonly gatewayHost?: string
  readonly parentHost?: string
}

/** What development tools set instead: a key of the module's own, and no workload API. */
export interface ConnectionStringEnvironment {
  readonly kind: 'connectionString'
  readonly deviceId: string
  readonly moduleId: string
  readonly iotHubHost: string
  readonly gatewayHost?: string
  /** Base64. Never logged. */
  readonly sharedAccessKey: string
  /** PEM file that edgeHub's certificate is verified against. */
  readonly caFile: string
}

export type EdgeEnvironment = RuntimeEnvironment | ConnectionStringEnvironment

type Variables = Readonly<Record<string, string | undefined>>

/** Says what is missing or unusable, by the name of the variable; never its value. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError'
  readonly variables: readonly string[]

  constructor(message: string, variables: readonly string[]) {
    super(message)
    this.variables = variables
  }
}

const runtimeVariables = [
  'IOTEDGE_WORKLOADURI',
  'IOTEDGE_DEVICEID',
  'IOTEDGE_MODULEID',
  'IOTEDGE_MODULEGENERATIONID',
  'IOTEDGE_IOTHUBHOSTNAME',
  'IOTEDGE_AUTHSCHEME'
]
const connectionStringVariables = ['EdgeHubConnectionString', 'EdgeModuleCACertificateFile']

/** What Node itself was told, on its command line or by NODE_OPTIONS, as one text. */
export function nodeFlags(env: Variables = process.env): string {
  return [...process.execArgv, env.NODE_OPTIONS].join(' ')
}

/** undefined: not started by IoT Edge. The connection string wins, as in Microsoft's SDKs. Throws EnvironmentError. */
export function readEdgeEnvironment(env: Variables = process.env): EdgeEnvironment | undefined {
  if (connectionStringVariables.some((name) => env[name])) return fromConnectionString(env)
  return runtimeVariables.some((name) => env[name]) ? fromRuntime(env) : undefined
}

function fromRuntime(env: Variables): RuntimeEnvironment {
  requireAll(env, runtimeVariables)
  if (env.IOTEDGE_AUTHSCHEME?.toLowerCase() !== 'sastoken')
    throw new EnvironmentError('IOTEDGE_AUTHSCHEME is not sasToken', ['IOTEDGE_AUTHSCHEME'])
  if (!/^(unix|http):\/\//.test(env.IOTEDGE_WORKLOADURI!) || !URL.canParse(env.IOTEDGE_WORKLOADURI!))
    throw new EnvironmentError('IOTEDGE_WORKLOADURI is neither a unix nor an http URI', ['IOTEDGE_WORKLOADURI'])
  return {
    kind: 'runtime',
    workloadUri: env.IOTEDGE_WORKLOADURI!,
    deviceId: env.IOTEDGE_DEVICEID!,
    moduleId: env.IOTEDGE_MODULEID!,
    generationId: env.IOTEDGE_MODULEGENERATIONID!,
    iotHubHost: env.IOTEDGE_IOTHUBHOSTNAME!,
    ...(env.IOTEDGE_GATEWAYHOSTNAME && { gatewayHost: env.IOTEDGE_GATEWAYHOSTNAME }),
    ...(env.IOTEDGE_PARENTHOSTNAME && { parentHost: env.IOTEDGE_PARENTHOSTNAME })
  }
}

function fromConnectionString(env: Variables): ConnectionStringEnvironment {
  requireAll(env, connectionStringVariables)
  const fields = parseFields(env.EdgeHubConnectionString!)
  const missing = ['HostName', 'DeviceId', 'ModuleId', 'SharedAccessKey'].filter((name) => !fields.get(name))
  if (missing.length > 0)
    throw new EnvironmentError(`EdgeHubConnectionString has no ${missing.join(', ')}`, ['EdgeHubConnectionString'])
  const gatewayHost = fields.get('GatewayHostName')
  return {
    kind: 'connectionString',
    deviceId: fields.get('DeviceId')!,
    moduleId: fields.get('ModuleId')!,
    iotHubHost: fields.get('HostName')!,
    ...(gatewayHost && { gatewayHost }),
    sharedAccessKey: fields.get('SharedAccessKey')!,
    caFile: env.EdgeModuleCACertificateFile!
  }
}

function requireAll(env: Variables, names: readonly string[]): void {
  const missing = names.filter((name) => !env[name])
  if (missing.length > 0) throw new EnvironmentError(`the environment has no ${missing.join(', ')}`, missing)
}

/** `Name=value;...`; a value may hold `=`, as Base64 does. */
function parseFields(text: string): ReadonlyMap<string, string> {
  const fields = text.split(';').filter((field) => field.includes('='))
  return new Map(
    fields.map((field) => [field.slice(0, field.indexOf('=')).trim(), field.slice(field.indexOf('=') + 1).trim()])
  )
}
