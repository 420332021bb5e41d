import { parseArgs } from 'node:util'

export interface DeploymentArguments {
  readonly help: boolean
  /** Templates, or folders of templates. */
  readonly places: readonly string[]
  /** Undefined: DEFAULT_PLATFORM, else amd64. */
  readonly platform?: string
  readonly output: string
  /** Leave variables without a value as they are, as other tools do. */
  readonly allowUnset: boolean
}

export const usage = `npm run deployment -- [options] [template or folder ...]

Expands deployment templates into manifests for 'az iot edge set-modules --content', and checks both by their schemas.
Without a template: deployment.template.json and deployment.debug.template.json.
Variables come from .env and the environment, which wins.

  --platform NAME   what \${MODULES.name} stands for: amd64 (default), arm64v8
  --output FOLDER   where manifests go (default: config)
  --allow-unset     leave variables that have no value as they are
`

/** Throws an Error that says which option is wrong. */
export function readArguments(arguments_: readonly string[]): DeploymentArguments {
  const { values, positionals } = parseArgs({
    args: [...arguments_],
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      platform: { type: 'string' },
      output: { type: 'string', default: 'config' },
      'allow-unset': { type: 'boolean', default: false }
    }
  })
  const places = positionals.length > 0 ? positionals : ['.']
  return {
    help: values.help,
    places,
    platform: values.platform,
    output: values.output,
    allowUnset: values['allow-unset']
  }
}
