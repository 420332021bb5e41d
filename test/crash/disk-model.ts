import type { Chance } from './chance.ts'
import type { Operation, Recording } from './recording.ts'

/** What a disk holds: files by their bytes, directories by their names. */
export type DiskFolder = Map<string, DiskFolder | Buffer>

/**
 * What a POSIX file system may hold after the power fails. Promised is this alone:
 *
 * - fsync and fdatasync of a file: its bytes and its size, as far as they were written before the sync began
 * - fsync of a directory: its names, as far as they were added or removed before the sync began. A file's own sync says
 *   nothing of its name, nor of the directories above it
 *
 * Of everything else each piece by itself may be there or not, whatever was done after it:
 *
 * - of a write, each block of 512 or of 4,096 bytes; a file that lost a write may be as long as if it had not, with zeros
 * - a truncation
 * - a name that was added, and one that was removed. A rename is both: afterwards there may be the new name, the old one, both
 *   or none. Only that a new name takes the place of an old one is a single piece
 *
 * Bytes that were not written are never touched, and none come from elsewhere on the disk.
 */
export function afterPowerCut(recording: Recording, cut: number, chance: Chance): DiskFolder {
  const settled = settledUntil(recording.operations, cut)
  const blockSize = chance.pick([512, 4096])
  const odds = new Map<number, number>()
  const kept = (node: number) => {
    if (!odds.has(node)) odds.set(node, chance.pick([0, 1, 0.5, chance.fraction()]))
    return chance.fraction() < odds.get(node)!
  }
  const disk = createDisk(recording)
  for (const [index, operation] of recording.operations.slice(0, cut).entries()) {
    if (index < (settled.get(operation.node) ?? 0)) disk.apply(operation)
    else if (operation.kind === 'write') writeInPart(disk, operation, { blockSize, kept, chance })
    else if (kept(operation.node)) disk.apply(operation)
  }
  return disk.folder()
}

/** The disk where everything up to the cut has happened: what the next process sees when this one is killed there. */
export function afterKill(recording: Recording, cut: number): DiskFolder {
  const disk = createDisk(recording)
  for (const operation of recording.operations.slice(0, cut)) disk.apply(operation)
  return disk.folder()
}

/** The place below which every operation on a node is on the disk. */
function settledUntil(operations: readonly Operation[], cut: number): ReadonlyMap<number, number> {
  const settled = new Map<number, number>()
  for (const operation of operations.slice(0, cut)) {
    if (operation.kind === 'sync')
      settled.set(operation.node, Math.max(operation.covers, settled.get(operation.node) ?? 0))
  }
  return settled
}

interface Disk {
  apply(operation: Operation): void
  /** Makes the file at least as long. */
  extend(node: number, size: number): void
  folder(): DiskFolder
}

function createDisk({ directories }: Recording): Disk {
  const names = new Map([...directories].map((node) => [node, new Map<string, number>()]))
  const files = new Map<number, { bytes: Buffer; size: number }>()

  function fileOf(node: number) {
    const file = files.get(node) ?? { bytes: Buffer.alloc(0), size: 0 }
    files.set(node, file)
    return file
  }

  function extend(node: number, size: number): void {
    const file = fileOf(node)
    if (size <= file.size) return
    if (size > file.bytes.length) {
      file.bytes = Buffer.concat([file.bytes.subarray(0, file.size)], Math.max(size, 2 * file.bytes.length))
    }
    file.size = size
  }

  function folder(node: number): DiskFolder {
    const entries = Array.from(names.get(node) ?? [], ([name, target]) => {
      const file = fileOf(target)
      return [name, names.has(target) ? folder(target) : file.bytes.subarray(0, file.size)] as const
    })
    return new Map(entries)
  }

  return {
    extend,
    apply(operation) {
      const { node } = operation
      if (operation.kind === 'link') names.get(node)?.set(operation.name, operation.target)
      else if (operation.kind === 'unlink') names.get(node)?.delete(operation.name)
      else if (operation.kind === 'truncate') {
        extend(node, operation.size)
        const file = fileOf(node)
        file.bytes.fill(0, operation.size)
        file.size = operation.size
      } else if (operation.kind === 'write') {
        extend(node, operation.at + operation.bytes.length)
        fileOf(node).bytes.set(operation.bytes, operation.at)
      }
    },
    folder: () => folder(0)
  }
}

interface Losses {
  readonly blockSize: number
  readonly kept: (node: number) => boolean
  readonly chance: Chance
}

function writeInPart(disk: Disk, write: Operation & { kind: 'write' }, { blockSize, kept, chance }: Losses): void {
  const { node, at, bytes } = write
  for (let done = 0; done < bytes.length; ) {
    const next = Math.min(bytes.length, done + blockSize - ((at + done) % blockSize))
    if (kept(node)) disk.apply({ ...write, at: at + done, bytes: bytes.subarray(done, next) })
    done = next
  }
  if (chance.fraction() < 0.25) disk.extend(node, at + bytes.length)
}
