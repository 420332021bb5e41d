import { z } from 'zod'
import { checked } from './checked-schema.ts'
import {
  type NotificationPattern,
  notificationPatternLimit,
  parseNotificationPattern
} from './protocol/notification-pattern.ts'

const patternLimit = 100

/** `notifications`: patterns such as `hello-world:*:push`. */
export const notificationsSchema = z
  .array(checked(z.string().max(notificationPatternLimit, { abort: true }), readPattern))
  .max(patternLimit)

function readPattern(text: string): NotificationPattern | { readonly problems: readonly string[] } {
  const read = parseNotificationPattern(text)
  return 'problem' in read ? { problems: [read.problem] } : read
}
