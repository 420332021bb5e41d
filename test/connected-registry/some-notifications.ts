import {
  type NotificationPattern,
  parseNotificationPattern
} from '../../modules/connected-registry/src/protocol/notification-pattern.ts'

export function patterns(...texts: readonly string[]): readonly NotificationPattern[] {
  return texts.map((text) => {
    const read = parseNotificationPattern(text)
    if ('problem' in read) throw new Error(`${text} ${read.problem}`)
    return read
  })
}
