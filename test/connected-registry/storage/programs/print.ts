/**
 * Resolves once the line is on its way to who started this program. Not `writeSync`: with a thread started, Node makes the pipe
 * one that does not wait, and a reader that is some hundred lines behind makes it fail.
 */
export function print(line: string | number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  process.stdout.write(`${line}\n`, (error) => (error ? reject(error) : resolve()))
  return promise
}
