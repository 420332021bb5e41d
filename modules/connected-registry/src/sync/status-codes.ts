import type { ParentErrorCode } from '../parent/parent-error.ts'

export type StatusType = 'Disk' | 'Parent' | 'Scope' | 'Content' | 'Settings' | 'State'

interface Cause {
  readonly type: StatusType
  /** What it says, and what cures it: the words of the README's table. */
  readonly meaning: string
  readonly cure: string
}

const byItself = 'goes by itself; the next round tries again'

/** Every cause of trouble that a status detail may name. One list, so that the status, the twin, the log and the README agree. */
export const statusCodes = {
  UNREACHABLE: cause('Parent', 'the parent cannot be reached', 'the network, DNS, a proxy, a firewall'),
  TIMEOUT: cause('Parent', 'the parent did not answer in time', byItself),
  INTERRUPTED: cause('Parent', 'the parent cut its answer short', byItself),
  THROTTLED: cause('Parent', 'the parent asks for fewer requests (429)', byItself),
  SERVER_ERROR: cause('Parent', 'the parent failed (5xx)', `${byItself}; else its operator`),
  LINK_EXPIRED: cause(
    'Parent',
    'a signed link to content was refused again and again',
    'the clock of the parent or of its storage'
  ),
  BREAKER_OPEN: cause('Parent', 'the parent failed so often that it is left alone for a while', byItself),
  UNTRUSTED: cause(
    'Parent',
    "the parent's certificate is not trusted",
    'the trust bundle of the device, or the certificate'
  ),
  UNAUTHORIZED: cause('Parent', 'the parent refused the sync token', 'a new password in `connectionString`'),
  DENIED: cause('Parent', 'the sync token lacks a right', 'its scope map: `content/read` and `metadata/read`'),
  NAME_UNKNOWN: cause(
    'Parent',
    'the parent does not know a repository',
    'push it there, or take it out of `repositories`'
  ),
  UNSUPPORTED: cause(
    'Parent',
    'the parent does not support a request that is needed',
    'another parent, or its settings'
  ),
  BAD_ANSWER: cause(
    'Parent',
    'an answer of the parent cannot be used',
    'a proxy or portal in between; else its operator'
  ),
  REDIRECT_REFUSED: cause('Parent', 'the parent redirects to where we do not follow', "the parent's storage settings"),
  ADDRESS_REFUSED: cause(
    'Parent',
    'the parent leads to an address inside of this device',
    'DNS, or the connection string'
  ),
  REALM_REFUSED: cause('Parent', "the parent's token service is on another host", 'a parent with one of its own'),
  TOKENS_NOT_PROVED: cause(
    'Parent',
    'the parent cannot say whose a client token is, or must not be asked',
    'a parent with a token service, over `https`; else the tokens in `clientTokens`'
  ),
  ALREADY_ACTIVATED: cause(
    'Parent',
    'another instance is active above under our name',
    'at the parent the direct method `deactivate`, or another name'
  ),
  DEACTIVATED: cause(
    'Parent',
    'an operator freed our name above, for another instance: nothing is synced',
    'end this one; or at the parent the direct method `readmit`'
  ),
  NOT_ACTIVATED: cause('Parent', 'the parent lost its store', 'goes by itself, within minutes'),
  PARENT_LOOP: cause(
    'Parent',
    'this registry is above its own parent: nothing is synced',
    '`connectionString` of one of them'
  ),
  REFUSED: cause('Parent', 'the parent refused a change', "its quota, locks and the sync token's rights"),
  CHANGE_REFUSED: cause(
    'Parent',
    'the parent refused what a client changed; while both sides and the connection string stay the same it is asked again once a day',
    "its quota, locks and the sync token's rights; then a day, or `resync`"
  ),
  PARENT_READ_ONLY: cause(
    'Parent',
    'the parent is ReadOnly and this registry is ReadWrite: what is pushed here stays here',
    '`mode` ReadWrite at the parent, then it goes up by itself; or ReadOnly here'
  ),
  PARENT_SHRUNK: cause(
    'Parent',
    'the parent shows less than half of what it had; nothing is removed before a second look',
    'look whether it lost content'
  ),
  REMOVALS_HELD: cause(
    'Parent',
    'the parent does not show what is here, and has not completed its own first sync: it stays for now',
    'goes by itself, once the parent has all that is above it'
  ),
  SCOPE_UNKNOWN: cause(
    'Scope',
    "the parent's catalog cannot be read, so what a pattern stands for is not known",
    'names in place of the pattern, or a token that may list the catalog'
  ),
  TAG_ORDER_UNKNOWN: cause(
    'Scope',
    'the newest tags are wanted, and the parent tells no times',
    '`semver` beside `newest`'
  ),
  NO_REPOSITORIES: cause('Scope', 'no repositories are named', 'set `repositories`'),
  NOT_FOUND: cause('Content', 'the parent lacks content that its own manifests name', 'push it there again'),
  CONTENT_MISSING: cause('Content', 'the parent lacks a manifest that its own manifests name', 'push it there again'),
  MANIFEST_UNKNOWN: cause('Content', 'a tag is listed by the parent and not there', byItself),
  DIGEST_MISMATCH: cause('Content', 'the parent sent content that is not what its digest says', 'push it there again'),
  DIGEST_INVALID: cause('Content', 'content is not what its digest says', 'push it there again'),
  SIZE_INVALID: cause('Content', 'content is not as long as its manifest says', 'push it there again'),
  MANIFEST_INVALID: cause('Content', 'a manifest of the parent is none that we can serve', 'build the image anew'),
  MANIFEST_BLOB_UNKNOWN: cause('Content', 'what a manifest names went meanwhile', byItself),
  MANIFESTS_TOO_LARGE: cause(
    'Content',
    'manifests below one another are larger than memory has room for at once',
    byItself
  ),
  TOO_DEEP: cause('Content', 'indexes or referrers are nested deeper than any real ones', 'build the image anew'),
  TAG_CONFLICT: cause(
    'Content',
    'a tag was changed here and by the parent: the parent won, ours is kept under a conflict tag',
    'compare the two, and delete the conflict tag'
  ),
  CONFLICT: cause('Content', 'a tag changed while it was synced', byItself),
  MOVED_ABOVE: cause('Content', 'a tag changed in the parent while it was synced', byItself),
  CONTENT_DAMAGED: cause('Content', 'content on the disk was damaged and set aside', 'the disk; it is brought anew'),
  INTERNAL: cause('Content', 'something failed in a way nobody thought of', 'report it, with the log'),
  DiskError: cause(
    'Disk',
    'the data volume is full, or cannot be read or written',
    'free room, or the rights of user 1000'
  ),
  STORAGE_FULL: cause('Disk', 'there is no room left for what should come', 'free room, or a larger `storage.quota`'),
  STORE_IN_USE: cause('Disk', 'another process uses the data volume', 'end it'),
  STORE_CORRUPT: cause(
    'Disk',
    'the records on the data volume are damaged',
    'an empty data volume; the content is brought anew'
  ),
  STORE_NEWER: cause('Disk', 'a newer version wrote the data volume', 'that version or a later one'),
  STORE_FAILED: cause('Disk', 'the records cannot be written', 'the disk'),
  STORE_CLOSED: cause('Disk', 'the store was closed', 'goes with the restart that is under way'),
  SETTINGS_REFUSED: cause('Settings', 'a setting is wrong; the former ones stay in force', 'as the description says'),
  SETTINGS_AWAITED: cause(
    'Settings',
    'settings were refused and never right: nothing is synced or removed',
    'right settings'
  ),
  CA_FILE_REFUSED: cause(
    'Settings',
    '`ca.crt` holds no certificates that can be read, or is gone; the former ones stay in force',
    'the file'
  ),
  CERTIFICATE_REFUSED: cause(
    'Settings',
    '`tls.crt` and `tls.key` are no pair that can be used; the former one stays in force',
    'the files'
  ),
  CERTIFICATE_EXPIRES: cause('Settings', "this registry's certificate ends within 14 days", 'a new pair of files'),
  CERTIFICATE_AWAITED: cause(
    'Settings',
    'the IoT Edge runtime gave no certificate that can be used; the former one stays in force',
    'goes by itself; else the runtime (`iotedge check`)'
  ),
  CLIENT_CA_REFUSED: cause(
    'Settings',
    '`client-ca.crt` cannot be used: the former one stays in force; without one no client certificate is valid, or nobody is asked for one',
    'the file'
  ),
  CHILD_READ_WRITE: cause(
    'Settings',
    'a child registry is ReadWrite and this one is ReadOnly: what is pushed there is kept there and refused here',
    '`mode` ReadWrite here, or ReadOnly there'
  ),
  CHILD_REFUSED: cause('Settings', 'a child registry is not as its settings must be', 'as the description says'),
  NO_PARENT: cause('Settings', 'no connection string is set, or it was refused', 'set `connectionString`'),
  STATE_FILE_REPLACED: cause('State', 'the state file was broken or gone', 'the disk; the rest goes by itself'),
  NOTIFICATIONS_LOST: cause(
    'State',
    'changes were trimmed from the change log before edgeHub took what is told of them (`notifications`)',
    'the connection to edgeHub; goes a day later'
  ),
  NOTIFICATIONS_UNSENT: cause(
    'Settings',
    '`notifications` are set, and there is no edgeHub to tell: this is no module of IoT Edge',
    'take them out, or deploy it as one'
  ),
  TWIN_AWAITED: cause(
    'State',
    'the last twin is lost: nothing is synced before edgeHub tells it',
    'the connection to edgeHub'
  )
} as const satisfies Readonly<Record<ParentErrorCode, Cause> & Record<string, Cause>>

export type StatusCode = keyof typeof statusCodes

export function isStatusCode(code: string): code is StatusCode {
  return Object.hasOwn(statusCodes, code)
}

function cause(type: StatusType, meaning: string, cure: string): Cause {
  return { type, meaning, cure }
}
