import type { Obstacle } from './http/health.ts'
import { volumeDetail } from './status-details.ts'

export interface Standing {
  readonly isStopping: boolean
  /** Why the data volume cannot be used. */
  readonly problem?: unknown
  /** Nobody could log in: no source of settings has told the client tokens yet. */
  readonly areTokensAwaited: boolean
}

/** What keeps clients from being served (`GET /readyz`): never the parent. The details are the log's and the status'. */
export function obstaclesOf({ isStopping, problem, areTokensAwaited }: Standing): readonly Obstacle[] {
  const obstacles: Obstacle[] = []
  if (isStopping) obstacles.push({ code: 'STOPPING', description: 'the registry is stopping' })
  if (problem !== undefined) {
    const { code } = volumeDetail(problem)
    obstacles.push({ code, description: 'the data volume cannot be used' })
  }
  if (areTokensAwaited) {
    obstacles.push({ code: 'SETTINGS_AWAITED', description: 'the client tokens are not told yet' })
  }
  return obstacles
}
