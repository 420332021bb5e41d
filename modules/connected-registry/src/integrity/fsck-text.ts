import { cures, type Problem, type ProblemKind, problemKinds, type Remainder, remainderKinds } from './findings.ts'
import type { FsckReport, StoreFigures } from './fsck.ts'

const shownOfAKind = 3

/** The report on one screen: what is there, what is wrong by kind with the first few of each, what is left over. */
export function fsckText({ dataVolume, figures, problems, remainders }: FsckReport): string {
  const verdict =
    problems.length === 0 ? 'clean' : `${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}`
  const lines = [
    `${dataVolume}: ${verdict}`,
    ...figureLines(figures),
    ...groups(problems).flatMap(([kind, found]) => problemLines(kind, found)),
    ...remainderLines(remainders)
  ]
  return `${lines.join('\n')}\n`
}

/** A number of bytes as a person reads it: `41.2 KiB`. */
export function sizeText(bytes: number): string {
  let [size, unit] = [bytes, 0]
  for (; size >= 1024 && unit < units.length - 1; unit++) size /= 1024
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit]}`
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

function figureLines(figures: StoreFigures): readonly string[] {
  const { repositories, tags, manifests, manifestBytes, blobs, blobBytes, uploads, quarantined, log } = figures
  return [
    `  repositories ${repositories}, tags ${tags}, change log ${log.first}-${log.last}`,
    `  manifests ${manifests} (${sizeText(manifestBytes)}), blobs ${blobs} (${sizeText(blobBytes)})`,
    `  open uploads ${uploads}, in quarantine ${quarantined}`
  ]
}

function problemLines(kind: ProblemKind, found: readonly Problem[]): readonly string[] {
  const shown = found
    .slice(0, shownOfAKind)
    .map(({ subject, detail }) => `    ${subject}${detail ? `: ${detail}` : ''}`)
  const rest = found.length - shown.length
  return [
    `  PROBLEM ${problemKinds[kind]} (${found.length})`,
    ...shown,
    ...(rest > 0 ? [`    and ${rest} more`] : []),
    `    what mends it: ${cures[kind]}`
  ]
}

function remainderLines(remainders: readonly Remainder[]): readonly string[] {
  return groups(remainders).map(([kind, found]) => {
    const bytes = found.reduce((sum, one) => sum + one.bytes, 0)
    return `  left over: ${remainderKinds[kind]} (${found.length}${bytes > 0 ? `, ${sizeText(bytes)}` : ''})`
  })
}

function groups<T extends Problem | Remainder>(all: readonly T[]): readonly (readonly [T['kind'], readonly T[]])[] {
  const byKind = new Map<T['kind'], readonly T[]>()
  for (const one of all) byKind.set(one.kind, [...(byKind.get(one.kind) ?? []), one])
  return [...byKind]
}
