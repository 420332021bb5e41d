/** A document's parts, each of them right. */
export const connectionString =
  'ConnectedRegistryName=site1;SyncTokenName=site1;SyncTokenPassword=s3cret==;' +
  'ParentGatewayEndpoint=$PARENT:8000;ParentEndpointProtocol=https'
export const environment = { PARENT: 'layer4.example' }
export const hash = `scrypt$15$8$1$${'A'.repeat(22)}$${'A'.repeat(43)}`
export const aToken = { name: 'line-1', passwords: [{ hash }], actions: ['repositories/*/content/read'] }
