/** Where a door is: beside which modules, below which device. */
export type Deployment = 'registry' | 'no registry' | 'other registry' | 'top'

export interface Row {
  readonly where: Deployment
  readonly path: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Whether the client shows a certificate. */
  readonly certificate?: true
  /** What is compared: the place and the path it is asked for, or what a header holds there. */
  readonly shows?: string
  readonly original: string
  /** Where it is not the same: what ours does, and why. */
  readonly ours?: string
  readonly why?: string
}

const storage = { 'x-ms-version': '2019-12-12' }
const upgrade = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-key': 'x', 'sec-websocket-version': '13' }
const own = { authorization: 'SharedAccessSignature of the client' }
const segments = 'a prefix is whole segments'
const repository = 'what is under /v2 is a repository, whatever its name'
const ambiguous = 'a path that two programs may read differently goes nowhere'
const asItCame = 'a path goes on as it came'
const chained = 'the token service is above, as the repositories are'
const nothing = 'edgeHub would take the client for the API proxy'

/** Request by request: what Microsoft's API proxy does, and what ours does. */
export const comparison: readonly Row[] = [
  { where: 'registry', path: '/v2/', original: 'registry /v2/' },
  { where: 'registry', path: '/v2/app/manifests/1?x=%2F', original: 'registry /v2/app/manifests/1?x=%2F' },
  { where: 'registry', path: '/acr/oauth2/token?service=a', original: 'registry /acr/oauth2/token?service=a' },
  { where: 'registry', path: '/v2/', method: 'POST', original: 'registry /v2/' },
  { where: 'registry', path: '/v2/', shows: 'x-forwarded-host', original: 'localhost' },
  { where: 'registry', path: '/v2/', shows: 'x-forwarded-proto', original: 'https' },
  { where: 'registry', path: '/v2/', shows: 'host', original: 'the registry itself' },
  { where: 'registry', path: '/v2/', headers: own, shows: 'authorization', original: own.authorization },
  {
    ...{ where: 'registry', path: '/v2/digital-twins/api/tags/list', why: repository },
    ...{ original: 'edgeHub /v2/digital-twins/api/tags/list', ours: 'registry /v2/digital-twins/api/tags/list' }
  },
  { where: 'registry', path: '/v2x', original: 'registry /v2x', ours: '404', why: segments },
  { where: 'registry', path: '/acrfoo', original: 'registry /acrfoo', ours: '404', why: segments },
  { where: 'registry', path: '/v2/%2e%2e/acr/x', original: 'registry /v2/%2e%2e/acr/x', ours: '404', why: ambiguous },
  { where: 'registry', path: '/v2/a%2Fb', original: 'registry /v2/a%2Fb', ours: '404', why: ambiguous },
  { where: 'registry', path: '/x/../v2/', original: 'registry /x/../v2/', ours: '404', why: ambiguous },
  { where: 'registry', path: '//v2/', original: 'registry //v2/', ours: '404', why: ambiguous },
  { where: 'registry', path: '/', original: '404' },
  { where: 'registry', path: '/status', original: '404' },
  { where: 'registry', path: '/metrics', original: '404' },

  { where: 'registry', path: '/c/b', headers: storage, original: 'storage /c/b' },
  { where: 'registry', path: '/v2/', headers: storage, original: 'storage /v2/' },
  { where: 'registry', path: '/c/b?sig=%2F', headers: storage, original: 'storage /c/b?sig=%2F' },
  {
    where: 'registry',
    path: '/c/a%2Fb',
    headers: storage,
    original: 'storage /c/a/b',
    ours: 'storage /c/a%2Fb',
    why: asItCame
  },
  { where: 'registry', path: '/v2/', headers: { 'x-ms-version': '' }, original: 'registry /v2/' },
  { where: 'registry', path: '/v2/', headers: { 'x-ms-version': '0' }, original: 'registry /v2/' },

  { where: 'registry', path: '/devices/d/messages', original: 'edgeHub /devices/d/messages' },
  { where: 'registry', path: '/twins/d/methods', method: 'POST', original: 'edgeHub /twins/d/methods' },
  { where: 'registry', path: '/devicesx', original: 'edgeHub /devicesx', ours: '404', why: segments },
  { where: 'registry', path: '/a/twins/b', original: 'edgeHub /a/twins/b', ours: '404', why: segments },
  {
    where: 'registry',
    path: '/devices/d',
    certificate: true,
    shows: 'x-ms-edge-clientcert',
    original: 'the certificate'
  },
  {
    where: 'registry',
    path: '/devices/d',
    certificate: true,
    shows: 'authorization',
    original: 'the token of the proxy'
  },
  { where: 'registry', path: '/devices/d', headers: own, shows: 'authorization', original: own.authorization },
  {
    ...{ where: 'registry', path: '/devices/d', certificate: true, headers: own, shows: 'authorization' },
    original: own.authorization
  },
  {
    ...{ where: 'registry', path: '/devices/d', certificate: true, headers: { authorization: '' } },
    ...{ shows: 'authorization', original: 'the token of the proxy' }
  },
  {
    ...{ where: 'registry', path: '/devices/d', shows: 'authorization', why: nothing },
    ...{ original: 'the token of the proxy', ours: 'nothing' }
  },
  {
    ...{ where: 'registry', path: '/devices/d', shows: 'x-ms-edge-clientcert', original: 'nothing' },
    headers: { 'x-ms-edge-clientcert': 'claimed' }
  },
  { where: 'registry', path: '/$iothub/websocket', headers: upgrade, original: 'edgeHub /$iothub/websocket, upgraded' },
  { where: 'registry', path: '/.iothub/websocket', headers: upgrade, original: 'edgeHub /.iothub/websocket, upgraded' },
  { where: 'registry', path: '/v2/', headers: upgrade, original: 'registry /v2/' },

  { where: 'no registry', path: '/v2/app/tags/list?n=1', original: 'parent /v2/app/tags/list?n=1' },
  { where: 'no registry', path: '/acr/oauth2/token', original: '404', ours: 'parent /acr/oauth2/token', why: chained },
  { where: 'no registry', path: '/v1/x', original: 'parent /v1/x', ours: '404', why: segments },
  { where: 'no registry', path: '/c/b', headers: storage, original: 'parent /c/b' },
  { where: 'no registry', path: '/v2/a%3Ab', original: 'parent /v2/a:b', ours: 'parent /v2/a%3Ab', why: asItCame },
  { where: 'no registry', path: '/devices/d', original: 'edgeHub /devices/d' },

  { where: 'other registry', path: '/v2/', original: 'docker /v2/' },
  { where: 'other registry', path: '/acr/v1/_catalog', original: 'registry /acr/v1/_catalog' },

  { where: 'top', path: '/v2/', original: '404' },
  { where: 'top', path: '/acr/x', original: '404' },
  { where: 'top', path: '/c/b', headers: storage, original: '404' }
]
