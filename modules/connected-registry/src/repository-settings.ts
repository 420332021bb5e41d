import { z } from 'zod'
import { parseRepositoryPattern } from './protocol/repository-pattern.ts'
import { PatternError, parseLinearPattern } from './sync/linear-pattern.ts'
import { parsePlatform } from './sync/platforms.ts'
import type { ScopeEntry, TagRules } from './sync/scope-rules.ts'
import { isVersionRange } from './sync/tag-rules.ts'

const nameProblem = 'is neither a repository name (lower case) nor a pattern such as prefix/*'
const globLimit = 20
// What is longer is not read at all: to find what is wrong with a megabyte of it takes seconds, in which nobody is served.
const pattern = z.string().max(128, { abort: true })

const repositoryName = z
  .string()
  .refine((text) => parseRepositoryPattern(text) !== undefined, nameProblem)
  .transform((text) => parseRepositoryPattern(text)!)

const glob = pattern.regex(/^[A-Za-z0-9_.*?-]+$/, 'is no pattern of a tag, such as v1.*')

const globs = z.array(glob).min(1).max(globLimit)

const regex = pattern.superRefine((text, context) => {
  try {
    parseLinearPattern(text)
  } catch (error) {
    if (!(error instanceof PatternError)) throw error
    context.addIssue({ code: 'custom', message: `is no regular expression that is supported: ${error.message}` })
  }
})

const tagRules = z
  .strictObject({
    glob: z.preprocess((value) => (typeof value === 'string' ? [value] : value), globs).optional(),
    regex: regex.optional(),
    semver: pattern.refine(isVersionRange, 'is no range of versions, such as >=1.2 <2').optional(),
    newest: z.int().min(1).max(10_000).optional()
  })
  .refine((rules) => Object.keys(rules).length > 0, 'names no rule: glob, regex, semver or newest')
  .transform(({ glob, ...rules }): TagRules => ({ ...(glob && { globs: glob }), ...rules }))

const platform = z
  .string()
  .refine((text) => parsePlatform(text) !== undefined, 'is no platform, such as linux/arm64')
  .transform((text) => parsePlatform(text)!)

const repositoryObject = z
  .strictObject({
    name: repositoryName,
    tags: tagRules.optional(),
    platforms: z.array(platform).min(1).max(20).optional()
  })
  .transform(({ name, tags, platforms }): ScopeEntry => {
    if (!tags && !platforms) return name
    return { ...name, rules: { ...(tags && { tags }), ...(platforms && { platforms }) } }
  })

/**
 * An entry of `repositories`: a name or pattern, or `{ name, tags?: { glob?, regex?, semver?, newest? }, platforms? }`. Problems
 * say where in the entry they are.
 */
export const repositoryEntry = z.unknown().transform((value, context): ScopeEntry => {
  const parsed = (typeof value === 'object' ? repositoryObject : repositoryName).safeParse(value)
  if (parsed.success) return parsed.data
  for (const issue of parsed.error.issues) context.issues.push({ ...issue, input: undefined } as z.core.$ZodRawIssue)
  return z.NEVER
})
