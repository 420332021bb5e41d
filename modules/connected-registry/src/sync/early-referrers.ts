import type { ContentSource } from '../protocol/content.ts'
import type { Descriptor } from '../protocol/descriptor.ts'
import type { Digest } from '../protocol/digest.ts'

/** Lists of referrers that are asked for while their subject is on its way: over a long link a round trip less behind each image. */
export interface EarlyReferrers {
  ask(subject: Digest): void
  /** As the source answered. Undefined: it is to be asked now. */
  take(subject: Digest): Promise<readonly Descriptor[]> | undefined
  /** Ends the questions whose answers nobody took. */
  end(): Promise<void>
}

export interface EarlyReferrersOptions {
  /** Spans of time, in milliseconds. */
  readonly now?: () => number
}

/** Who signs an image does so soon after pushing it: an older list may lack what was attached while the content came. */
const freshMs = 1000
/** What nobody took yet: so many lists, of so many descriptors and characters. All others are asked for when their turn comes. */
const limits = { lists: 16, descriptors: 100, characters: 64 * 1024 }

interface Question {
  readonly at: number
  readonly answer: Promise<readonly Descriptor[]>
}

export function createEarlyReferrers(
  source: Pick<ContentSource, 'referrers'>,
  signal: AbortSignal,
  { now = () => performance.now() }: EarlyReferrersOptions = {}
): EarlyReferrers {
  const questions = new Map<Digest, Question>()
  const over = new AbortController()

  async function list(subject: Digest): Promise<readonly Descriptor[]> {
    const found = await source.referrers(subject, AbortSignal.any([signal, over.signal]))
    if (isLong(found)) questions.delete(subject)
    return found
  }

  return {
    ask(subject) {
      if (questions.has(subject) || questions.size >= limits.lists) return
      const answer = list(subject)
      // Whoever takes it learns of its failure.
      answer.catch(() => undefined)
      questions.set(subject, { at: now(), answer })
    },
    take(subject) {
      const question = questions.get(subject)
      questions.delete(subject)
      return question && now() - question.at <= freshMs ? question.answer : undefined
    },
    async end() {
      over.abort()
      await Promise.allSettled(Array.from(questions.values(), ({ answer }) => answer))
    }
  }
}

/** What a descriptor says of itself, its annotations above all, has no limit of its own. */
function isLong(list: readonly Descriptor[]): boolean {
  return list.length > limits.descriptors || JSON.stringify(list).length > limits.characters
}
