import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { at, type ClientKind, createRun, type Door, type Run, tagFor } from './client.ts'

export const skopeo: ClientKind = {
  name: 'skopeo',
  tools: ['skopeo'],
  keepsBytes: true,
  async open({ folder, caFile }) {
    const certificates = await certificateFolder(folder, caFile)
    const authFile = `--authfile=${join(folder, 'auth.json')}`
    const layout = (reference: string) => `oci:${join(folder, 'layout')}:${tagFor(reference)}`
    const image = (door: Door, reference: string) => `docker://${at(door, reference)}`
    const run = createRun('skopeo')
    const copy: Run = (words) => run(['--insecure-policy', 'copy', '--all', authFile, ...words])
    return {
      login: (door, { name, password }) =>
        run(
          ['login', authFile, ...trust(door, certificates), `--username=${name}`, '--password-stdin', door.host],
          password
        ),
      pull: (door, reference) =>
        copy([...trust(door, certificates, 'src-'), image(door, reference), layout(reference)]),
      push: (door, from, to) => copy([...trust(door, certificates, 'dest-'), layout(from), image(door, to)])
    }
  }
}

/** A folder as containers/image wants it, with the site's authority in it. */
export async function certificateFolder(folder: string, caFile: string): Promise<string> {
  const certificates = join(folder, 'certificates')
  await mkdir(certificates, { recursive: true })
  await copyFile(caFile, join(certificates, 'ca.crt'))
  return certificates
}

/** The options of containers/image for a door: the site's authority and no other, or plain HTTP. */
export function trust(door: Door, certificates: string, prefix = ''): readonly string[] {
  return door.isPlain ? [`--${prefix}tls-verify=false`] : [`--${prefix}cert-dir=${certificates}`]
}
