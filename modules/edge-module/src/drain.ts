import type { IncomingMessage, ServerResponse } from 'node:http'

/** The end of a server in good order: what is under way may end, what is new is refused. */
export interface Drain {
  /** To be told of every request, when it begins. */
  began(response: ServerResponse): void
  /** Whether a request is not to be begun any more. */
  refuses(request: Pick<IncomingMessage, 'method' | 'url'>): boolean
  /** From now on new ones are refused. Resolves when nothing is under way, or with the signal. */
  done(signal: AbortSignal): Promise<void>
}

export interface DrainOptions {
  readonly betweenMs?: number
  /** Milliseconds that never go back. */
  readonly now?: () => number
}

/**
 * A push is under way between its requests as well: the next chunk, the end of an upload and the manifest are taken, and waited for
 * as long as a client needs to come again. So the port has to stay open until `done` resolves.
 */
export function createDrain({ betweenMs = 1_000, now = () => performance.now() }: DrainOptions = {}): Drain {
  let isDraining = false
  let count = 0
  /** When the last request of a push ended, for each client in each repository; the latest at the end. */
  const pushes = new Map<string, number>()
  let changed: () => void = () => {}

  function ended({ req, statusCode }: ServerResponse): void {
    const { method, url = '' } = req
    count -= 1
    // What is refused says nothing of a push: anybody may try.
    const isTaken = statusCode < 300
    if (isTaken && isManifestPush(method, url)) pushes.delete(pushOf(req))
    else if (isTaken && isUpload(method, url)) pushed(pushOf(req))
    changed()
  }

  function pushed(push: string): void {
    pushes.delete(push)
    pushes.set(push, now())
    for (const [known, at] of pushes) {
      if (at + betweenMs > now()) break
      pushes.delete(known)
    }
  }

  /** Undefined: until something ends. */
  function waitMs(): number | undefined {
    return count > 0 ? undefined : Math.max(...pushes.values()) + betweenMs - now()
  }

  return {
    began(response) {
      count += 1
      response.on('close', () => ended(response))
    },
    refuses: ({ method, url = '' }) =>
      isDraining && !isHealth(url) && !isManifestPush(method, url) && !isBegunUpload(url),
    async done(signal) {
      isDraining = true
      for (let wait = waitMs(); !signal.aborted && (wait === undefined || wait > 0); wait = waitMs()) {
        await next(wait, signal)
      }
    }
  }

  async function next(limitMs: number | undefined, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    changed = resolve
    signal.addEventListener('abort', changed, { once: true })
    const timer = limitMs === undefined ? undefined : setTimeout(changed, limitMs)
    await promise
    clearTimeout(timer)
    signal.removeEventListener('abort', changed)
  }
}

// The path tells what a request is: a query may hold anything.

function isHealth(url: string): boolean {
  return /^\/(?:healthz|readyz)(?:\?|$)/.test(url)
}

function isUpload(method: string | undefined, url: string): boolean {
  return method !== 'GET' && method !== 'HEAD' && /^[^?]*\/blobs\/uploads\//.test(url)
}

function isBegunUpload(url: string): boolean {
  return /^[^?]*\/blobs\/uploads\/[^/?]+(?:\?|$)/.test(url)
}

function isManifestPush(method: string | undefined, url: string): boolean {
  return method === 'PUT' && /^[^?]*\/manifests\/[^/?]+(?:\?|$)/.test(url)
}

/**
 * Clients that push into one repository are told apart by what they show: each gets a token of its own for a push. Where it gets
 * another one on the way, or shows none that is its own, a push is waited for a little too long, or not between its requests.
 */
function pushOf({ url = '', headers }: IncomingMessage): string {
  const repository = url.replace(/\/(?:blobs\/uploads|manifests)\/.*$/, '')
  return `${repository} ${headers.authorization ?? ''}`
}
