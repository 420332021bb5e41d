export interface CountState {
  readonly count: number
  readonly text: string
}

export const emptyCount: CountState = { count: 0, text: '' }

/** Throws where count and text do not belong together: a mixture of two writes. */
export function parseCount(content: unknown): CountState {
  const state = content as CountState
  if (state.text !== String(state.count).repeat(3000)) throw new Error('not a count')
  return state
}
