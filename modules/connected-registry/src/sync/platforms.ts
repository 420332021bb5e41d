import type { ChildChoice, Descriptor, Platform } from '../protocol/descriptor.ts'

const separator = '/'

/** Which manifests of an index are wanted; the same text where the same platforms are. */
export interface PlatformChoice extends ChildChoice {
  readonly platforms: string
}

/** `os/architecture` or `os/architecture/variant`, as clients write it. Undefined: it is none. */
export function parsePlatform(text: string): Platform | undefined {
  const parts = text.split(separator)
  const [os, architecture, variant] = parts
  if (!os || !architecture || parts.length > 3 || !parts.every((part) => /^[a-z0-9._-]{1,32}$/.test(part)))
    return undefined
  return { os, architecture, ...(variant && { variant }) }
}

/**
 * Which manifests of an index are wanted: those of the platforms, those without one, and what is about a manifest that is wanted
 * (BuildKit, "attestation storage": platform unknown/unknown, and the digest it is about as an annotation).
 */
export function chooseChildren(platforms: readonly Platform[]): PlatformChoice {
  const isChosen = ({ platform }: Descriptor) => !platform || platforms.some((wanted) => covers(wanted, platform))
  const choose: ChildChoice = (child, siblings) => {
    const subject = child.annotations?.['vnd.docker.reference.digest']
    if (subject === undefined) return isChosen(child)
    const about = siblings.find(({ digest }) => digest === subject)
    return about === undefined || isChosen(about)
  }
  return Object.assign(choose, { platforms: platforms.map(formatPlatform).sort().join() })
}

function formatPlatform({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant ? [variant] : [])].join(separator)
}

/** Without a variant all of them are meant. */
function covers(wanted: Platform, platform: Platform): boolean {
  if (wanted.os !== platform.os || wanted.architecture !== platform.architecture) return false
  return wanted.variant === undefined || wanted.variant === platform.variant || isImplied(wanted, platform)
}

// containerd, "platforms": arm64 without a variant is v8, arm without one v7.
function isImplied({ architecture, variant }: Platform, platform: Platform): boolean {
  if (platform.variant !== undefined) return false
  return (architecture === 'arm64' && variant === 'v8') || (architecture === 'arm' && variant === 'v7')
}
