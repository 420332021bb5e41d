import type { Log } from '@connected-registry/edge-module/log.ts'
import { codeOf, describe } from './problems.ts'
import type { TransferJournal } from './transfer-journal.ts'

const unwantedAfterMs = 24 * 3_600_000

export interface AfterRound {
  /** All went well in the round. */
  readonly isComplete: boolean
  readonly now: Date
  readonly log: Log
}

/** After a round in which all went well nothing is missing; after another one, what nobody has wanted for a day. */
export async function dropUnwanted(journal: TransferJournal, { isComplete, now, log }: AfterRound): Promise<void> {
  const since = isComplete ? undefined : new Date(now.getTime() - unwantedAfterMs)
  try {
    const transfers = await journal.drop(since)
    if (transfers > 0) log.info({ transfers }, 'partial transfers dropped')
  } catch (error) {
    log.warn({ code: codeOf(error), reason: describe(error) }, 'partial transfers not dropped')
  }
}
