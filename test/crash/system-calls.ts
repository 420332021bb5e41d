/** One system call of a recorded program. */
export interface SystemCall {
  readonly name: string
  /** As strace prints them: strings quoted, every byte as `\xNN`. */
  readonly arguments: string
  /** Negative: it failed. Undefined: it never returned. */
  result?: number
}

export type CallEvent = { readonly kind: 'begin' | 'end'; readonly call: SystemCall }

const whole = /^(\d+) +(\w+)\((.*)\) += (-?\d+|\?)/s
const begun = /^(\d+) +(\w+)\((.*?) *<unfinished \.\.\.>$/s
const resumed = /^(\d+) +<\.\.\. \w+ resumed>(.*)\) += (-?\d+|\?)/s

/**
 * The output of `strace -f -xx -o`, as beginnings and ends in the order in which they were seen. What lies between the two ends of
 * one call may have happened before its effect or after it.
 */
export function* readCalls(trace: string): Generator<CallEvent> {
  const open = new Map<string, SystemCall>()
  for (const line of trace.split('\n')) {
    const [, pid = '', name = '', arguments_ = '', result] = whole.exec(line) ?? begun.exec(line) ?? []
    if (name) {
      const call: SystemCall = { name, arguments: arguments_ }
      yield { kind: 'begin', call }
      if (result === undefined) open.set(pid, call)
      else yield ended(call, result)
      continue
    }
    const [, resumedPid = '', , resumedResult = ''] = resumed.exec(line) ?? []
    const call = open.get(resumedPid)
    if (!call) continue
    open.delete(resumedPid)
    yield ended(call, resumedResult)
  }
}

function ended(call: SystemCall, result: string): CallEvent {
  call.result = result === '?' ? undefined : Number(result)
  return { kind: 'end', call }
}

/** The strings among the arguments, as bytes. */
export function stringsOf({ arguments: text }: SystemCall): readonly Buffer[] {
  return Array.from(text.matchAll(/"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?/g), ([, escaped = '', cut]) => {
    if (cut) throw new Error('the trace holds a string that was cut')
    return Buffer.from(escaped.replaceAll('\\x', ''), 'hex')
  })
}

/** The n-th argument of those that are not strings, counted from the last one with negative numbers. */
export function numberOf({ arguments: text }: SystemCall, index: number): number {
  const plain = text
    .replace(/"[^"]*"/g, '""')
    .replace(/\[.*\]/, '[]')
    .split(', ')
  const number = Number(plain.at(index))
  if (!Number.isSafeInteger(number)) throw new Error(`not a number: argument ${index} of ${text.slice(0, 200)}`)
  return number
}
