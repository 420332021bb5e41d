/** A module's environment cannot be used, for all of these reasons. Holds names of variables, never a secret's value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly code = 'CONFIG'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(`the environment cannot be used: ${problems.join('; ')}`)
    this.problems = problems
  }
}
