import type { Spdx } from './application.ts'
import type { Part } from './runtime.ts'

/**
 * A bill of materials in SPDX 2.3: the packages that npm lists, and what else the image holds. Without times and chance names, so
 * that the same image has the same one; and without the addresses packages were fetched from, which are the builder's affair.
 */
export function sbomOf(imageDigest: string, spdx: Spdx, parts: readonly Part[]): string {
  const packages = spdx.packages.map((entry) => ({ ...entry, downloadLocation: 'NOASSERTION' }))
  const own = parts.map(({ name, version, licence, purl }) => ({
    name,
    SPDXID: idOf(name),
    versionInfo: version,
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    licenseDeclared: licence,
    externalRefs: [{ referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: purl }]
  }))
  const relationships = parts.flatMap(({ name }) =>
    spdx.documentDescribes.map((described) => ({
      spdxElementId: described,
      relatedSpdxElement: idOf(name),
      relationshipType: 'DEPENDS_ON'
    }))
  )
  return JSON.stringify({
    ...spdx,
    documentNamespace: `https://spdx.org/spdxdocs/${spdx.name}/${imageDigest}`,
    creationInfo: { created: '1970-01-01T00:00:00Z', creators: ['Tool: npm run images'] },
    packages: [...packages, ...own],
    relationships: [...spdx.relationships, ...relationships]
  })
}

function idOf(name: string): string {
  return `SPDXRef-Part-${name.replaceAll(/[^A-Za-z0-9.-]/g, '-')}`
}
