import 'reflect-metadata' // @peculiar/x509 expects it to be there first.
import { X509Certificate as NodeCertificate } from 'node:crypto'
import { isIP } from 'node:net'
import * as x509 from '@peculiar/x509'

export interface IssuedCertificate {
  /** PEM: the leaf, then its authorities. */
  readonly certificate: string
  /** PEM, PKCS#8. */
  readonly privateKey: string
  readonly expiration: Date
}

export interface IssueOptions {
  /** DNS names and IP addresses. */
  readonly names: readonly string[]
  readonly lifeMs?: number
  /** The real workload API hands out RSA-2048; an elliptic key is made in a thousandth of the time. */
  readonly rsa?: boolean
  /** For a client to show, not for a server. */
  readonly isClient?: boolean
}

export interface CertificateAuthority {
  /** PEM: its own, then those above it, without the root where it is not the root itself. */
  readonly certificate: string
  /** PEM of the root: what is to be trusted. */
  readonly trustBundle: string
  issue(options: IssueOptions): Promise<IssuedCertificate>
  /** One below it: a device's own, in a plant whose devices trust one root. */
  issueAuthority(name: string): Promise<CertificateAuthority>
  /** With its key: for another process, which goes on with `loadCertificateAuthority`. */
  save(): Promise<SavedAuthority>
}

export interface SavedAuthority {
  readonly certificate: string
  readonly trustBundle: string
  /** PEM, PKCS#8. */
  readonly privateKey: string
}

const elliptic = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const rsa2048 = { name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) }
const year = 365 * 24 * 3_600_000

/** A root. */
export function createCertificateAuthority(name = 'Edge device CA'): Promise<CertificateAuthority> {
  return createAuthority(name)
}

/** What another process saved. */
export async function loadCertificateAuthority(saved: SavedAuthority): Promise<CertificateAuthority> {
  const { certificate, trustBundle } = saved
  const own = new x509.X509Certificate(certificate)
  const [key] = x509.PemConverter.decode(saved.privateKey)
  const privateKey = await crypto.subtle.importKey('pkcs8', key!, elliptic, true, ['sign'])
  const publicKey = await own.publicKey.export(elliptic, ['verify'])
  return authorityOf({ subject: own.subject, keys: { privateKey, publicKey }, certificate, trustBundle })
}

interface Issuer {
  readonly subject: string
  readonly keys: { readonly privateKey: CryptoKey; readonly publicKey: CryptoKey }
  readonly certificate: string
  readonly trustBundle: string
}

async function createAuthority(name: string, issuer?: Issuer): Promise<CertificateAuthority> {
  const keys = await crypto.subtle.generateKey(elliptic, true, ['sign', 'verify'])
  const { KeyUsageFlags } = x509
  const authority = await x509.X509CertificateGenerator.create({
    subject: `CN=${name}`,
    issuer: issuer?.subject ?? `CN=${name}`,
    publicKey: keys.publicKey,
    signingKey: (issuer?.keys ?? keys).privateKey,
    ...validity(year),
    signingAlgorithm: elliptic,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create((issuer?.keys ?? keys).publicKey)
    ]
  })
  const certificate = `${authority.toString('pem')}\n`
  const isBelowRoot = issuer !== undefined && issuer.certificate === issuer.trustBundle
  const chain = issuer && !isBelowRoot ? `${certificate}${issuer.certificate}` : certificate
  const trustBundle = issuer?.trustBundle ?? certificate
  return authorityOf({ subject: authority.subject, keys, certificate: chain, trustBundle })
}

function authorityOf(self: Issuer): CertificateAuthority {
  const { subject, keys, certificate: chain, trustBundle } = self

  async function issue({
    names,
    lifeMs = year / 4,
    rsa = false,
    isClient = false
  }: IssueOptions): Promise<IssuedCertificate> {
    const usage = isClient ? x509.ExtendedKeyUsage.clientAuth : x509.ExtendedKeyUsage.serverAuth
    const algorithm = rsa ? { ...rsa2048, hash: 'SHA-256' } : elliptic
    const leafKeys = (await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as typeof keys
    const leaf = await x509.X509CertificateGenerator.create({
      subject: `CN=${names[0]}`,
      issuer: subject,
      publicKey: leafKeys.publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm: elliptic,
      ...validity(lifeMs),
      extensions: [
        new x509.BasicConstraintsExtension(false),
        new x509.ExtendedKeyUsageExtension([usage]),
        new x509.SubjectAlternativeNameExtension(
          names.map((value) => ({ type: isIP(value) ? ('ip' as const) : ('dns' as const), value }))
        ),
        await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey)
      ]
    })
    const privateKey = await crypto.subtle.exportKey('pkcs8', leafKeys.privateKey)
    return {
      certificate: `${leaf.toString('pem')}\n${chain}`,
      privateKey: x509.PemConverter.encode(privateKey, 'PRIVATE KEY'),
      expiration: new NodeCertificate(leaf.toString('pem')).validToDate
    }
  }

  return {
    certificate: chain,
    trustBundle,
    issue,
    issueAuthority: (below) => createAuthority(below, self),
    async save() {
      const key = await crypto.subtle.exportKey('pkcs8', keys.privateKey)
      return { certificate: chain, trustBundle, privateKey: x509.PemConverter.encode(key, 'PRIVATE KEY') }
    }
  }
}

function validity(lifeMs: number): { notBefore: Date; notAfter: Date } {
  const now = Date.now()
  return { notBefore: new Date(now), notAfter: new Date(now + lifeMs) }
}
