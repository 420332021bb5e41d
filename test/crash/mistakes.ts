import type { Operation, Recording } from './recording.ts'

/** A recording as it would be of a store with a mistake, to see that the replay finds it. */
export interface Mistake {
  readonly name: string
  make(recording: Recording): Recording
}

export const mistakes: readonly Mistake[] = [
  { name: 'does not sync the bytes of a blob', make: (recording) => withoutSyncs(recording, /^data$/) },
  { name: 'does not sync the folder of a blob', make: (recording) => withoutSyncs(recording, /^[0-9a-f]{2}$/) },
  { name: 'does not sync the folders above that one', make: (recording) => withoutSyncs(recording, /^sha256$/) },
  {
    name: 'does not sync the log of the records',
    make: (recording) => withoutSyncs(recording, /^records\.sqlite-wal$/)
  },
  { name: 'does not sync the records', make: (recording) => withoutSyncs(recording, /^records\.sqlite$/) },
  { name: 'says too early that it is done', make: tooEarly }
]

/** Without the syncs of everything that ever had such a name. */
function withoutSyncs(recording: Recording, name: RegExp): Recording {
  const nodes = new Set(recording.operations.flatMap((operation) => linked(operation, name)))
  const operations = recording.operations.map((operation) =>
    operation.kind === 'sync' && nodes.has(operation.node) ? { ...operation, covers: 0 } : operation
  )
  return { ...recording, operations }
}

function linked(operation: Operation, name: RegExp): readonly number[] {
  return operation.kind === 'link' && name.test(operation.name) ? [operation.target] : []
}

function tooEarly(recording: Recording): Recording {
  return { ...recording, lines: recording.lines.map(({ text, at }) => ({ text, at: at - 25 })) }
}
