export interface ModuleEnvironmentOptions {
  readonly module: string
  readonly key: string
  readonly deviceId: string
  readonly iotHubHost: string
  /** `host:port` of the hub. */
  readonly gatewayHost: string
}

/** The variables edgeAgent sets for a module, to be served by a workload API simulator. */
export function runtimeVariables(
  options: Omit<ModuleEnvironmentOptions, 'key'> & {
    readonly workloadUri: string
    readonly parentHost?: string | undefined
  }
): Record<string, string> {
  return {
    IOTEDGE_WORKLOADURI: options.workloadUri,
    IOTEDGE_AUTHSCHEME: 'sasToken',
    IOTEDGE_DEVICEID: options.deviceId,
    IOTEDGE_MODULEID: options.module,
    IOTEDGE_MODULEGENERATIONID: '638000000000000000',
    IOTEDGE_IOTHUBHOSTNAME: options.iotHubHost,
    IOTEDGE_GATEWAYHOSTNAME: options.gatewayHost,
    IOTEDGE_APIVERSION: '2021-12-07',
    ...(options.parentHost && { IOTEDGE_PARENTHOSTNAME: options.parentHost })
  }
}

/** The variables of development without a runtime. `caFile`: a PEM file with the authority of the hub's certificate. */
export function connectionStringVariables(
  options: ModuleEnvironmentOptions & { readonly caFile: string }
): Record<string, string> {
  const { iotHubHost, gatewayHost, deviceId, module, key, caFile } = options
  return {
    EdgeHubConnectionString: [
      `HostName=${iotHubHost}`,
      `GatewayHostName=${gatewayHost}`,
      `DeviceId=${deviceId}`,
      `ModuleId=${module}`,
      `SharedAccessKey=${key}`
    ].join(';'),
    EdgeModuleCACertificateFile: caFile
  }
}

/** Both forms: with a `workloadUri` those of the runtime, with a `caFile` those of development. */
export function moduleEnvironment(
  options: ModuleEnvironmentOptions &
    ({ readonly workloadUri: string; readonly parentHost?: string | undefined } | { readonly caFile: string })
): Record<string, string> {
  return 'workloadUri' in options ? runtimeVariables(options) : connectionStringVariables(options)
}
