const limit = 16 * 1024

/** What an answer says, up to some 16,000 characters: who speaks without an end is left. `answer`: decoded pieces. */
export async function limitedText(answer: AsyncIterable<string>): Promise<string> {
  let text = ''
  for await (const piece of answer) {
    text += piece
    if (text.length > limit) break
  }
  return text
}
