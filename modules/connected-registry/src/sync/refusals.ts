import { ParentError } from '../parent/parent-error.ts'
import type { ParentRegistry } from '../parent/parent-registry.ts'
import { parseDigest } from '../protocol/digest.ts'
import { ConflictError } from '../storage/record-store.ts'
import type { Outbound, RefusalRecord } from './outbound.ts'
import { isUpward } from './plan.ts'
import type { RepositoryContext } from './repository-context.ts'
import { isInScope } from './scope.ts'
import type { NewDetail } from './status.ts'
import type { PlannedStep } from './steps.ts'

/** Notes that the parent said no to a change, so that it is not asked again and again. False: it did not. */
export async function noteRefusal(
  { outbound, parent: { host, tokenName }, log, now }: RepositoryContext,
  repository: string,
  { reference, step, local, parent, record }: PlannedStep,
  error: unknown
): Promise<boolean> {
  if (!record || !isUpward(step) || !isRefusal(error)) return false
  const code = error.parentCode ?? String(error.status ?? error.code)
  try {
    const refusal = { local, parent, code, at: now().toISOString(), host, tokenName }
    await outbound.refused(repository, reference, record, refusal)
  } catch (conflict) {
    // It changed here again, which is another question to the parent.
    if (!(conflict instanceof ConflictError)) throw conflict
  }
  log.warn({ repository, reference, code, reason: error.message }, 'change refused by the parent')
  return true
}

/** What another parent has refused, or this one to other credentials, was no answer to us as we are now. */
export async function askAnother(
  outbound: Pick<Outbound, 'retryRefused'>,
  former: ParentRegistry | undefined,
  parent: ParentRegistry | undefined
): Promise<void> {
  if (!parent || parent === former) return
  const isAnother = ({ host, tokenName }: RefusalRecord) => host !== parent.host || tokenName !== parent.tokenName
  await outbound.retryRefused((refusal) => former !== undefined || isAnother(refusal))
}

/** A detail for each change that the parent has refused and that is still so here. Out of scope nobody asks it again. */
export async function refusalDetails({
  outbound,
  patterns
}: Pick<RepositoryContext, 'outbound' | 'patterns'>): Promise<readonly NewDetail[]> {
  const details: NewDetail[] = []
  for await (const [repository, reference, { refusal }] of outbound.all()) {
    if (!refusal || !isInScope(patterns, repository)) continue
    const name = `${repository}${parseDigest(reference) ? '@' : ':'}${reference}`
    details.push({
      type: 'Parent',
      code: 'CHANGE_REFUSED',
      description: `${name}: ${refusedWords(reference, refusal)}`
    })
  }
  return details
}

// distribution-spec, "Deleting tags": a registry that deletes none answers 400 or 405. CNCF's takes a tag there for a wrong digest.
const deletesNoTags: readonly string[] = ['DIGEST_INVALID', 'UNSUPPORTED', '400', '405']

function refusedWords(reference: string, { local, code }: RefusalRecord): string {
  if (local !== null) return `the parent refused what is here (${local}): ${code}`
  if (parseDigest(reference) || !deletesNoTags.includes(code)) return `the parent refused its removal: ${code}`
  return `the parent deletes no tags, and keeps it: ${code}`
}

function isRefusal(error: unknown): error is ParentError {
  return error instanceof ParentError && (error.code === 'REFUSED' || error.code === 'DENIED')
}
