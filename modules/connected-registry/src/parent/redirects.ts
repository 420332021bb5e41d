import { isRedirectHostAllowed, type ParentConnection } from '../protocol/connection-string.ts'
import { type Answer, discard, headerOf, refusal } from './answer.ts'
import type { Dispatcher, ParentRequest } from './dispatcher.ts'
import { ParentError } from './parent-error.ts'

const hopLimit = 5
const redirectStatus: readonly number[] = [301, 302, 303, 307, 308]
// What storage answers to a signed link that ran out or was withdrawn.
const expiredStatus: readonly number[] = [401, 403, 404, 410]

export function isRedirect(answer: Answer): boolean {
  return redirectStatus.includes(answer.status)
}

/**
 * Follows the redirect in `answer`, and at most four more, with no credentials and no cookies, whatever the next hosts say.
 * Throws ParentError REDIRECT_REFUSED for a host that is not the parent's, LINK_EXPIRED where the parent should be asked again.
 */
export async function followRedirect(
  { connection, dispatcher }: { readonly connection: ParentConnection; readonly dispatcher: Dispatcher },
  request: Omit<ParentRequest, 'url'>,
  answer: Answer
): Promise<Answer> {
  let current = answer
  for (let hop = 0; hop < hopLimit; hop++) {
    await discard(current)
    const url = nextUrl(connection, current)
    current = await dispatcher.request({ ...request, url }, async (next) => next)
    if (isRedirect(current)) continue
    if (!expiredStatus.includes(current.status)) return current
    const { operation, status } = current
    const { parentCode } = await refusal(current)
    throw new ParentError('LINK_EXPIRED', { operation, url, status, parentCode })
  }
  await discard(current)
  throw refused(current, `more than ${hopLimit} times`)
}

function nextUrl(connection: ParentConnection, answer: Answer): URL {
  const url = URL.parse(headerOf(answer, 'location') ?? '', answer.url)
  if (!url) throw refused(answer, 'without a location')
  if (answer.url.protocol === 'https:' && url.protocol !== 'https:') throw refused(answer, 'from https to http')
  if (!isRedirectHostAllowed(connection, url)) throw refused(answer, `to ${url.protocol}//${url.host}`)
  return url
}

function refused({ operation, url, status }: Answer, detail: string): ParentError {
  return new ParentError('REDIRECT_REFUSED', { operation, url, status, detail })
}
